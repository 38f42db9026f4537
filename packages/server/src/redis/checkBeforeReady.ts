import { setTimeout as sleep } from 'node:timers/promises';
import type { Redis } from 'ioredis';
import type { ConnectionFaults } from './connectionFaults.js';

/** Fields of INFO. */
type Info = Readonly<Record<string, string>>;
/** The check of ioredis before a connection is ready. After an error the connection is dropped, and opened again later. */
type ReadyCheck = (callback: (error: Error | null, info?: Info) => void) => void;

export interface ReadyCheckOptions {
  /** The setting that the connection comes from. */
  readonly setting: string;
  /** The database that each connection must use. */
  readonly database: number;
  readonly faults: ConnectionFaults;
}

/** A connection that must not be used; the message says why and is safe to show to anyone. */
class ConnectionFault extends Error {
  override readonly name = 'ConnectionFault';
}

/** While a server loads its data, it is asked again this often, milliseconds. */
const LOADING_MS = 500;

/**
 * Replaces the check of ioredis by our own, for each connect of a client and of its duplicates (BullMQ's blocking
 * connections). ioredis ignores a refused SELECT, and everything would be written to database 0. ioredis would also write its
 * warnings about a server to the console.
 */
export function checkBeforeReady(client: Redis, options: ReadyCheckOptions): void {
  const { faults, setting } = options;
  const check: ReadyCheck = (callback) => {
    pass(client, options).then(
      (info) => callback(null, info),
      (error: Error) => {
        if (error instanceof ConnectionFault) faults.set(client, error.message);
        callback(error);
      },
    );
  };
  Object.assign(client, { _readyCheck: check });
  const auth = client.auth.bind(client) as (...args: unknown[]) => Promise<'OK'>;
  const login = async (...args: unknown[]): Promise<'OK'> => {
    try {
      return await auth(...args);
    } catch (error) {
      // A server that requires no password can be used without one.
      if (/no password is set|without any password configured/.test(String(error))) return 'OK';
      faults.set(client, `${setting}: Redis refuses the user or the password`);
      throw error;
    }
  };
  Object.assign(client, { auth: login });
  const duplicate = client.duplicate.bind(client);
  Object.assign(client, {
    duplicate: (...args: Parameters<Redis['duplicate']>): Redis => {
      const twin = duplicate(...args);
      checkBeforeReady(twin, options);
      return twin;
    },
  });
  for (const event of ['ready', 'end']) client.on(event, () => faults.clear(client));
}

/** @throws ConnectionFault when the database is not the expected one, and the errors of the connection. */
async function pass(client: Redis, { setting, database }: ReadyCheckOptions): Promise<Info> {
  try {
    const found = await databaseOf(client, database);
    if (found !== database) {
      throw new ConnectionFault(
        `${setting} names database ${database}, but Redis has the connection in database ${found}: has it so many (\`databases\`)?`,
      );
    }
    return await loaded(client);
  } catch (error) {
    if (!(error instanceof Error) || !error.message.startsWith('NOAUTH')) throw error;
    throw new ConnectionFault(`${setting} holds no password, but its Redis asks for one`);
  }
}

/** The database that the server reports for a connection. If the server does not report it, the check is whether it accepts the number. */
async function databaseOf(client: Redis, database: number): Promise<number> {
  try {
    return Number(/(?:^|\s)db=(\d+)(?:\s|$)/.exec(String(await client.client('INFO')))?.[1]);
  } catch (error) {
    if (!isForbidden(error)) throw error;
  }
  // A connection begins in database 0.
  if (database === 0) return 0;
  try {
    await client.select(database);
    return database;
  } catch (error) {
    if (error instanceof Error && /^(ERR|NOPERM)/.test(error.message)) return 0;
    throw error;
  }
}

/** INFO, once the server has loaded its data; empty when the user may not ask. */
async function loaded(client: Redis): Promise<Info> {
  for (;;) {
    let text: string;
    try {
      text = await client.info();
    } catch (error) {
      if (!isForbidden(error)) throw error;
      return {};
    }
    const info = Object.fromEntries(
      text.split('\r\n').flatMap((line) => {
        const colon = line.indexOf(':');
        return colon < 0 ? [] : [[line.slice(0, colon), line.slice(colon + 1)]];
      }),
    );
    if ((info.loading ?? '0') === '0') return info;
    await sleep(LOADING_MS);
  }
}

/** Refused by an ACL, or by a proxy or managed server that lacks the command. */
export function isForbidden(error: unknown): boolean {
  return error instanceof Error && /^(NOPERM|ERR unknown (sub)?command)/i.test(error.message);
}
