import type { CloseCode } from '@unified-ws/protocol';
import type { Bus } from '../bus/bus.js';
import type { EvictMessage } from '../bus/messages.js';

/** A connection as an evict meets it. */
export interface Evictable {
  end(code: CloseCode): void;
}

export interface EvictionsParts {
  readonly bus: Bus;
  readonly find: (conn: string) => Evictable | undefined;
}

/**
 * Closes what a newer claim displaced, and confirms it (C1, C2). A connection that is still claiming is doomed: confirmed at
 * once, and released when its claim's answer comes. Only one that is not in the table is gone, and that is confirmed too.
 * Idempotent: the claimer repeats it until it is answered.
 */
export class Evictions {
  received = 0;
  closed = 0;
  private readonly parts: EvictionsParts;

  constructor(parts: EvictionsParts) {
    this.parts = parts;
  }

  onEvict(message: EvictMessage): void {
    this.received += 1;
    const connection = this.parts.find(message.conn);
    if (connection) {
      this.closed += 1;
      connection.end(message.code as CloseCode);
    }
    this.parts.bus.send(message.to, { t: 'evicted', conn: message.conn, by: message.by });
  }
}
