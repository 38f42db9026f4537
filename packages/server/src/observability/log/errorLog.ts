import type { ErrorCode, RecordedError } from '@unified-ws/protocol';
import type { Clock } from '../../util/clock.js';
import { Tally } from '../../util/tally.js';

/** Number of newest errors that a node keeps. Errors of strangers are kept apart: a scan must not push out errors of users. */
const KEPT = 100;
const KEPT_OF_STRANGERS = 50;

/** The errors that this node sent to its clients: counts by code, and the newest errors. */
export class ErrorLog {
  readonly byCode = new Tally();
  private readonly clock: Clock;
  private readonly ofUsers = new Ring(KEPT);
  private readonly ofStrangers = new Ring(KEPT_OF_STRANGERS);

  constructor(clock: Clock) {
    this.clock = clock;
  }

  /** An `error` or `validation_error` message to a connection, authenticated or not. */
  onConnection(connection: { readonly id: string; readonly userId: string }, code: ErrorCode): void {
    this.record(code, 'websocket', connection.id, connection.userId || null);
  }

  /** A REST problem. `userId` is null when the caller is unknown. */
  onRequest(userId: string | null, code: ErrorCode): void {
    this.record(code, 'rest', null, userId);
  }

  /** Newest first. */
  recent(): RecordedError[] {
    return [...this.ofUsers.all(), ...this.ofStrangers.all()].sort((a, b) => (a.at < b.at ? 1 : -1));
  }

  private record(code: ErrorCode, via: RecordedError['via'], connection: string | null, user: string | null): void {
    this.byCode.add(code);
    const at = new Date(this.clock.now()).toISOString();
    const ring = user === null ? this.ofStrangers : this.ofUsers;
    ring.add({ at, code, via, connection_id: connection, user_id: user });
  }
}

class Ring {
  private readonly size: number;
  private readonly kept: RecordedError[] = [];
  private next = 0;

  constructor(size: number) {
    this.size = size;
  }

  add(error: RecordedError): void {
    this.kept[this.next] = error;
    this.next = (this.next + 1) % this.size;
  }

  all(): readonly RecordedError[] {
    return this.kept;
  }
}
