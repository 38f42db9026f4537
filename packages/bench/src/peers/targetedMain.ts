import { createServer } from 'node:http';
import { createRequire } from 'node:module';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { createAdapter } from '@socket.io/redis-adapter';
import { Redis } from 'ioredis';
import { Server, type ServerOptions } from 'socket.io';
import { wireMessage } from '../load/message.js';

/**
 * One of two Socket.IO servers over one Redis. A client joins the room of its user, and publishes to the room of any other, with an
 * acknowledgement. Nothing is stored but what the streams adapter needs. Arguments: URL of Redis; for the streams adapter the folder where it
 * is installed.
 */
const [url = '', folder] = process.argv.slice(2);
const http = createServer();
const io = new Server(http, {
  transports: ['websocket'],
  perMessageDeflate: false,
  pingInterval: 600_000,
  serveClient: false,
  adapter: folder === undefined ? createAdapter(new Redis(url), new Redis(url)) : streamsAdapter(folder),
});
io.on('connection', (socket) => {
  const { user } = socket.handshake.query;
  if (typeof user === 'string') void socket.join(user);
  socket.on('publish', (to: string, due: number, accepted: () => void) => {
    io.to(to).emit('event', wireMessage(due));
    accepted();
  });
});
http.listen({ host: '127.0.0.1', port: 0, backlog: 4096 }, () => {
  process.stdout.write(`${JSON.stringify({ event: 'listening', port: (http.address() as AddressInfo).port })}\n`);
});

function streamsAdapter(from: string): NonNullable<ServerOptions['adapter']> {
  const library = createRequire(join(from, 'package.json'))('@socket.io/redis-streams-adapter') as {
    createAdapter: (redis: Redis) => NonNullable<ServerOptions['adapter']>;
  };
  return library.createAdapter(new Redis(url));
}
