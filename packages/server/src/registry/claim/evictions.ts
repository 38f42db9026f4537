import type { CloseCode } from '@unified-ws/protocol';
import type { Bus } from '../../bus/bus.js';
import type { EvictMessage } from '../../bus/busMessages.js';
import type { Duplicates } from './duplicates.js';

/** A connection as an evict meets it. */
interface Evictable {
  readonly id: string;
  end(code: CloseCode): void;
}

export interface EvictionsParts {
  readonly bus: Bus;
  readonly find: (conn: string) => Evictable | undefined;
  readonly duplicates: Duplicates;
  /** One was ended for a newer one. */
  readonly onReplaced: (conn: string, message: EvictMessage) => void;
}

/**
 * Closes replaced connections and confirms that (C1, C2). A connection that is still claiming is marked for closing: this is confirmed at
 * once, and its entry is released when its claim's answer comes. Only a connection that is not in the table is gone; that is confirmed too.
 * Idempotent: the claimer repeats the evict until it is confirmed.
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
    const code = message.code as CloseCode;
    const connection = this.parts.find(message.conn);
    if (connection) {
      this.closed += 1;
      this.parts.duplicates.look(connection, code, message.since ?? null);
      this.parts.onReplaced(message.conn, message);
      connection.end(code);
    }
    this.parts.bus.send(message.to, { t: 'evicted', conn: message.conn, by: message.by });
  }
}
