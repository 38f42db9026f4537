import type { AddressInfo } from 'node:net';
import { Redis } from 'ioredis';
import { type WebSocket, WebSocketServer } from 'ws';
import { wireMessage } from '../load/message.js';

/**
 * One of two servers on bare `ws` over one Redis: a channel of pub/sub for each user, one `publish` and one `send()` for each event. A client
 * publishes to any user, and is told when Redis has the event. Nothing is stored. Argument: URL of Redis.
 */
const [url = ''] = process.argv.slice(2);
const publisher = new Redis(url, { protocol: 2 });
const subscriber = new Redis(url, { protocol: 2 });
const sockets = new Map<string, WebSocket>();
const server = new WebSocketServer({ host: '127.0.0.1', port: 0, perMessageDeflate: false, backlog: 4096 });

function fail(error: unknown): void {
  process.stderr.write(`${String(error)}\n`);
  process.exit(1);
}

server.on('connection', (ws, request) => {
  const user = new URLSearchParams((request.url ?? '').slice(2)).get('user') ?? '';
  // 'close' follows.
  ws.on('error', () => undefined);
  ws.on('close', () => sockets.delete(user));
  ws.on('message', (data: Buffer) => {
    const { to, due } = JSON.parse(data.toString()) as { to: string; due: number };
    publisher.publish(to, JSON.stringify(wireMessage(due))).then(() => ws.send('{"accepted":true}'), fail);
  });
  sockets.set(user, ws);
  subscriber.subscribe(user).then(() => ws.send('{"subscribed":true}'), fail);
});
subscriber.on('message', (user, text) => sockets.get(user)?.send(text));
server.on('listening', () => {
  process.stdout.write(`${JSON.stringify({ event: 'listening', port: (server.address() as AddressInfo).port })}\n`);
});
