import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';

/** Requests that a peer may send before it has read the answers to those before them. Browsers and libraries send one. */
const MAX_UNANSWERED = 32;

/**
 * The requests of each socket that are not answered yet. Node.js reads on to the end of what came with one segment: 64 KiB of small
 * requests are answered with 45 MB, which wait in memory for a peer that does not read them.
 */
export class UnansweredRequests {
  private readonly counts = new WeakMap<Duplex, number>();

  /** False when there are too many: its socket is ended, and it is not to be worked on. */
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
