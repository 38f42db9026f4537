import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';

/** Maximum number of requests that a peer may send before it reads the answers. Browsers and libraries send one. */
const MAX_UNANSWERED = 32;

/**
 * Unanswered requests per socket. Node.js parses everything that arrived with one segment: 64 KiB of small requests produce 45 MB of
 * answers, which wait in memory for a peer that does not read.
 */
export class UnansweredRequests {
  private readonly counts = new WeakMap<Duplex, number>();

  /** False: there are too many. The socket is ended, and the request must not be handled. */
  admit({ socket }: IncomingMessage, response: ServerResponse): boolean {
    if (socket.destroyed) return false;
    const count = this.countOf(socket) + 1;
    if (count > MAX_UNANSWERED) {
      socket.destroy();
      return false;
    }
    this.counts.set(socket, count);
    response.once('close', () => this.counts.set(socket, this.countOf(socket) - 1));
    return true;
  }

  countOf(socket: Duplex): number {
    return this.counts.get(socket) ?? 0;
  }
}
