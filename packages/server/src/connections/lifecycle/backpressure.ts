import type { Socket } from 'node:net';
import { CLOSE } from '@unified-ws/protocol';
import type { Core } from '../../core.js';
import type { Settings } from '../../settings/settings.js';
import type { Connection } from './connection.js';

/** The wait between two tests of a congested connection doubles up to this, milliseconds. */
const MAX_DELAY_MS = 30_000;
const TICK_MS = 100;

interface BackpressureParts
  extends Pick<Core, 'clock' | 'logger'>,
    Pick<Settings, 'recoveryDelayMs' | 'recoveryAttempts'> {
  /** The socket emptied: deliver what the connection missed. */
  readonly onWritable: (connection: Connection) => void;
}

interface Test {
  readonly since: number;
  attempts: number;
  due: number;
}

/**
 * Connections whose client reads more slowly than the node sends. Nothing more is written to them. Each is tested with a ping, at growing
 * intervals, and ended if its socket has not emptied after the last test, without a close frame, which would wait behind the backlog.
 */
export class Backpressure {
  readonly counts = { congested: 0, drained: 0, ended: 0 };
  private readonly parts: BackpressureParts;
  private readonly tests = new Map<Connection, Test>();
  private readonly ofSocket = new WeakMap<Socket, Connection>();
  private readonly onEmptied: (this: Socket) => void;
  private timer: NodeJS.Timeout | null = null;

  constructor(parts: BackpressureParts) {
    this.parts = parts;
    const self = this;
    // Shared by all sockets: no closure per connection.
    this.onEmptied = function () {
      const connection = self.ofSocket.get(this);
      if (connection) self.emptied(connection);
    };
  }

  /** Congested connections now. */
  get size(): number {
    return this.tests.size;
  }

  watch(connection: Connection): void {
    if (this.tests.has(connection)) return;
    const { clock, recoveryDelayMs, logger } = this.parts;
    const now = clock.mono();
    this.counts.congested += 1;
    this.tests.set(connection, { since: now, attempts: 0, due: now + recoveryDelayMs });
    this.ofSocket.set(connection.socket, connection);
    connection.socket.on('drain', this.onEmptied);
    logger.debug({ conn: connection.id, user: connection.userId, buffered: connection.buffered }, 'congested');
    this.timer ??= setInterval(() => this.tick(), TICK_MS);
  }

  forget(connection: Connection): void {
    if (!this.tests.delete(connection)) return;
    connection.socket.off('drain', this.onEmptied);
    if (this.tests.size > 0 || !this.timer) return;
    clearInterval(this.timer);
    this.timer = null;
  }

  stop(): void {
    for (const connection of [...this.tests.keys()]) this.forget(connection);
  }

  private emptied(connection: Connection): void {
    const test = this.tests.get(connection);
    if (!test) return;
    this.forget(connection);
    this.counts.drained += 1;
    const { clock, logger } = this.parts;
    const tookMs = Math.round(clock.mono() - test.since);
    logger.debug({ conn: connection.id, user: connection.userId, tookMs }, 'drained');
    // A connection that was suspended meanwhile continues when it is current again.
    if (connection.signal('drain')) this.parts.onWritable(connection);
  }

  private tick(): void {
    const { clock, logger, recoveryAttempts, recoveryDelayMs } = this.parts;
    const now = clock.mono();
    for (const [connection, test] of this.tests) {
      if (now < test.due) continue;
      if (test.attempts >= recoveryAttempts) {
        this.counts.ended += 1;
        const { id: conn, buffered } = connection;
        logger.info({ conn, buffered, afterMs: Math.round(now - test.since) }, 'ended: too slow');
        connection.end(CLOSE.TOO_SLOW);
        continue;
      }
      test.attempts += 1;
      test.due = now + Math.min(MAX_DELAY_MS, recoveryDelayMs * 2 ** test.attempts);
      if (connection.isOpen()) connection.ws.ping();
    }
  }
}
