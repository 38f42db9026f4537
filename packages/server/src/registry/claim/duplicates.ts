import { CLOSE, type CloseCode } from '@unified-ws/protocol';
import type { Logger } from '../../observability/log/logger.js';

export interface DuplicatesParts {
  /** Events written on the connection after that cluster time, ms. */
  readonly writtenSince: (conn: string, since: number) => number;
  readonly logger: Logger;
}

/**
 * Counts what must not happen (G1): events written on a connection after a newer connection of the same user was established. An
 * earlier attempt of the same client does not count: the client reads only its newest socket (C5).
 */
export class Duplicates {
  /** Events, since the start. */
  found = 0;
  private readonly parts: DuplicatesParts;

  constructor(parts: DuplicatesParts) {
    this.parts = parts;
  }

  /**
   * To be called before a connection is ended for a newer one.
   *
   * @param since when the newer connection was established, cluster time, ms; null: it is not established, or this is unknown.
   */
  look(connection: { readonly id: string }, code: CloseCode, since: number | null): void {
    if (since === null || code !== CLOSE.SUPERSEDED) return;
    const events = this.parts.writtenSince(connection.id, since);
    if (events === 0) return;
    this.found += events;
    this.parts.logger.error(
      { conn: connection.id, events, since: new Date(since).toISOString() },
      'duplicates_found: events were written to a connection after a newer connection of its user was established',
    );
  }
}
