import type { IncomingMessage, Server } from 'node:http';
import type { Duplex } from 'node:stream';
import type { UnansweredRequests } from '../limits/unansweredRequests.js';
import { asksForWebSocket, listOf } from './handshake.js';

type UpgradeListener = (request: IncomingMessage, socket: Duplex, head: Buffer) => void;

/**
 * Sorts requests that offer another protocol. WebSocket is accepted. Any other offer is ignored, as RFC 9110 §7.8 allows: HTTP/2 clients
 * (that of Java by default) offer `h2c` with each request, and once there is a listener, Node.js treats each offer as an upgrade.
 */
export class ProtocolOffers {
  private readonly server: Server;

  constructor(server: Server, unanswered: UnansweredRequests, onWebSocket: UpgradeListener) {
    this.server = server;
    server.on('upgrade', (request, socket, head) => {
      // An earlier request is still unanswered: its answer would get lost, and the socket would stay open for ever.
      if (unanswered.countOf(socket) > 0) socket.destroy();
      else if (asksForWebSocket(request)) onWebSocket(request, socket, head);
      else this.ignore(request, socket, head);
    });
  }

  /** Node.js has released the socket, so the request is parsed again without its offer. */
  private ignore({ method, url, httpVersion, rawHeaders }: IncomingMessage, socket: Duplex, head: Buffer): void {
    const lines = [`${method} ${url} HTTP/${httpVersion}`];
    for (let i = 0; i < rawHeaders.length; i += 2) {
      const [name = '', value = ''] = rawHeaders.slice(i, i + 2);
      if (name.toLowerCase() === 'upgrade') continue;
      const kept = name.toLowerCase() === 'connection' ? listOf(value).filter((one) => one !== 'upgrade') : [value];
      if (kept.length > 0) lines.push(`${name}: ${kept.join(', ')}`);
    }
    socket.unshift(Buffer.concat([Buffer.from(`${lines.join('\r\n')}\r\n\r\n`, 'latin1'), head]));
    this.server.emit('connection', socket);
  }
}
