// A process of idle connections (see crowd.ts): one process has too few file handles for all of them.
import { connect, type Socket } from 'node:net';
import { upgradeRequest } from '../../support/rawClient.js';
import { token } from '../../support/tokens.js';
import type { CrowdAnswer, CrowdOrder } from './crowd.js';

/** Connects that are under way at the same time. */
const AT_ONCE = 64;
const ESTABLISHED = /"connection_id":"([^"]+)"/;

const sockets = new Map<string, Socket>();
/** Those whose end was ordered. */
const leaving = new WeakSet<Socket>();

function tell(answer: CrowdAnswer): void {
  process.send?.(answer);
}

/** Resolves with the connection's id when connection_established has come; null when it ended before. */
function open(user: string, port: number): Promise<string | null> {
  return new Promise((resolve) => {
    const socket = connect({ port, host: '127.0.0.1' });
    let text = '';
    sockets.set(user, socket);
    socket.on('connect', () => socket.write(upgradeRequest({ token: token(user) })));
    socket.on('data', (chunk: Buffer) => {
      if (text === null) return;
      text += chunk.toString('latin1');
      const [, id] = ESTABLISHED.exec(text) ?? [];
      if (id === undefined) return;
      socket.removeAllListeners('data');
      socket.resume();
      resolve(id);
    });
    // `close` follows.
    socket.on('error', () => socket.destroy());
    socket.on('close', () => {
      if (sockets.get(user) === socket) sockets.delete(user);
      if (!leaving.has(socket)) tell({ lost: user });
      resolve(null);
    });
  });
}

async function openAll(users: readonly (readonly [user: string, port: number])[]): Promise<Record<string, string>> {
  const ids = new Map<string, string>();
  const left = [...users];
  const work = async (): Promise<void> => {
    for (let next = left.pop(); next; next = left.pop()) {
      const id = await open(...next);
      if (id !== null) ids.set(next[0], id);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
  return Object.fromEntries(ids);
}

process.on('message', (order: CrowdOrder) => {
  for (const user of order.close) {
    const socket = sockets.get(user);
    if (!socket) continue;
    leaving.add(socket);
    socket.destroy();
  }
  openAll(order.open).then(
    (opened) => tell({ order: order.id, opened }),
    (error: unknown) => tell({ order: order.id, opened: {}, failure: String(error) }),
  );
});
process.on('disconnect', () => process.exit());
