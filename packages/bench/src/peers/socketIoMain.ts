import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Server } from 'socket.io';
import { wireMessage } from '../load/message.js';
import { servePeer } from './serve.js';

/** Socket.IO with its WebSocket transport, and without pings during the measurement. */
const http = createServer();
const io = new Server(http, {
  transports: ['websocket'],
  perMessageDeflate: false,
  pingInterval: 600_000,
  serveClient: false,
});

http.listen({ host: '127.0.0.1', port: 0, backlog: 4096 }, () => {
  servePeer((http.address() as AddressInfo).port, (due) => {
    io.emit('event', wireMessage(due));
  });
});
