import type { IncomingMessage, Server } from 'node:http';
import type { Duplex } from 'node:stream';
import type { UnansweredRequests } from '../limits/unansweredRequests.js';
import { asksForWebSocket, listOf } from './handshake.js';

type UpgradeListener = (request: IncomingMessage, socket: Duplex, head: Buffer) => void;

/**
 * Sorts the requests that offer to go on in another protocol. WebSocket is taken up. Any other offer is ignored, as RFC 9110 §7.8
 * allows: clients of HTTP/2, that of Java by default, offer `h2c` with each request, and Node.js takes each offer for an upgrade
 * once somebody listens for one.
 */
export class ProtocolOffers {
  private readonly server: Server;

  constructor(server: Server, unanswered: UnansweredRequests, onWebSocket: UpgradeListener) {
    this.server = server;
    server.on('upgrade', (request, socket, head) => {
      // Behind a request that is not answered yet: the answers would get lost, and the socket be kept for ever.
      if (unanswered.countOf(socket) > 0) socket.destroy();
      else if (asksForWebSocket(request)) onWebSocket(request, socket, head);
      else this.ignore(request, socket, head);
    });
  }

  /** Node.js has let go of the socket, so the request is read once more, without its offer. */
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
