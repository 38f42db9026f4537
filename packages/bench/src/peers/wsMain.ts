import type { AddressInfo } from 'node:net';
import { type WebSocket, WebSocketServer } from 'ws';
import { wireMessage } from '../load/message.js';
import { servePeer } from './serve.js';

/** The usual first version on `ws`: a `send()` for each message and connection. */
const clients = new Set<WebSocket>();
const server = new WebSocketServer({ host: '127.0.0.1', port: 0, perMessageDeflate: false, backlog: 4096 });

server.on('connection', (ws) => {
  clients.add(ws);
  ws.on('close', () => clients.delete(ws));
  // 'close' follows.
  ws.on('error', () => undefined);
});

server.on('listening', () => {
  servePeer((server.address() as AddressInfo).port, (due) => {
    const text = JSON.stringify(wireMessage(due));
    for (const ws of clients) ws.send(text);
  });
});
