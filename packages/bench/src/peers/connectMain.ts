import { createSecretKey, randomUUID } from 'node:crypto';
import type { AddressInfo } from 'node:net';
import { Redis } from 'ioredis';
import jwt from 'jsonwebtoken';
import { WebSocketServer } from 'ws';
import { SECRET } from '../load/requests.js';

/**
 * The cost of a connect with a well-made server on bare `ws`: a token checked with a KeyObject, a field in Redis, connection_established.
 * No claim: it replaces no connection and waits only for the write.
 *
 * Environment: REDIS_URL. Without it the token is not checked and nothing is registered.
 */
const REGISTRY_WINDOW_MS = 5;

const url = process.env.REDIS_URL;
const redis = url ? new Redis(url, { protocol: 2 }) : null;
const key = createSecretKey(Buffer.from(SECRET));
const server = new WebSocketServer({
  host: '127.0.0.1',
  port: 0,
  perMessageDeflate: false,
  clientTracking: false,
  backlog: 4096,
});
let waiting: { readonly user: string; readonly done: () => void }[] = [];

async function flush(): Promise<void> {
  const batch = waiting;
  waiting = [];
  const pipeline = redis?.pipeline();
  for (const { user } of batch) pipeline?.hset(`bench:${user}`, { node: 'n1', since: Date.now() });
  await pipeline?.exec();
  for (const { done } of batch) done();
}

function register(user: string, done: () => void): void {
  waiting.push({ user, done });
  if (waiting.length > 1) return;
  setTimeout(() => {
    flush().catch((error: unknown) => {
      process.stderr.write(`${String(error)}\n`);
      process.exit(1);
    });
  }, REGISTRY_WINDOW_MS);
}

server.on('connection', (ws, request) => {
  ws.on('error', () => ws.terminate());
  const sendEstablished = (user: string): void => {
    ws.send(JSON.stringify({ type: 'connection_established', data: { connection_id: randomUUID(), user_id: user } }));
  };
  if (!redis) {
    sendEstablished('anybody');
    return;
  }
  const token = (request.headers.authorization ?? '').slice('Bearer '.length);
  const claims = jwt.verify(token, key, { algorithms: ['HS256'] });
  const user = String(claims.sub);
  register(user, () => sendEstablished(user));
});

server.on('listening', () => {
  const { port } = server.address() as AddressInfo;
  process.stdout.write(`${JSON.stringify({ event: 'listening', port })}\n`);
});
