import { setTimeout as sleep } from 'node:timers/promises';
import type { Redis } from 'ioredis';
import type { ConnectionFaults } from './connectionFaults.js';

/** Fields of INFO. */
type Info = Readonly<Record<string, string>>;
/** What ioredis does before it calls a connection ready. With an error the connection is dropped, and made anew later. */
type ReadyCheck = (callback: (error: Error | null, info?: Info) => void) => void;

export interface ReadyCheckOptions {
  /** The setting that the connection comes from. */
  readonly setting: string;
  /** The number of the database in which each connection has to be. */
  readonly database: number;
  readonly faults: ConnectionFaults;
}

/** A connection that must not be used as it is; the message says why, in words that anybody may read. */
class ConnectionFault extends Error {
  override readonly name = 'ConnectionFault';
}

/** A server that loads its data is asked again this often, milliseconds. */
const LOADING_MS = 500;

/**
 * Puts our own check in the place of ioredis's, for each connect of a client, and of what is duplicated from it (BullMQ's blocking
 * connections): ioredis passes over a SELECT that was refused, and everything is written to database 0. What it has to say of a
 * server it would write to the console.
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
      // A server that asks for no password can be used without.
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

/** @throws ConnectionFault for another database than the one that is meant, and whatever the connection says. */
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

/** The database of a connection as its server has it. Where that is not told, whether it takes the number. */
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

/** INFO, once the server has loaded its data; nothing where the user may not ask. */
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

/** By an ACL, or by a proxy or a managed server that does not have the command. */
export function isForbidden(error: unknown): boolean {
  return error instanceof Error && /^(NOPERM|ERR unknown (sub)?command)/i.test(error.message);
}
