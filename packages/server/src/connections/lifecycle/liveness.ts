import { CLOSE } from '@unified-ws/protocol';
import { type TokenClock, tokenClock } from '../../auth/tokenClock.js';
import type { Core } from '../../core.js';
import { heartbeatFrame } from '../../delivery/frames/frame.js';
import type { Settings } from '../../settings/settings.js';
import type { Connection } from './connection.js';
import type { TokenEnd } from './tokenEnd.js';

/** Time that a peer has to answer a close frame, milliseconds (CONSISTENCY, "Keys"). */
const CLOSE_TIMEOUT_MS = 2000;
const SLOTS = 256;
const MAX_TICK_MS = 250;
const MIN_TICK_MS = 10;

/** A ping without a payload (RFC 6455 §5.5.2). */
const PING = Buffer.from([0x89, 0]);

/** What is written alike to all connections that are due in one tick, healthy, and at the position of the cohorts. */
interface SharedBeat {
  position: string | null;
  frame: Buffer | null;
  withPing: Buffer | null;
}

/** `tokenClock` is the clock for the end of tokens. Default: `clock`. */
export interface LivenessParts
  extends Pick<Core, 'clock' | 'random'>,
    Partial<Pick<Core, 'tokenClock'>>,
    Pick<Settings, 'pingIntervalMs' | 'pingTimeoutMs' | 'heartbeatIntervalMs' | 'authTimeoutMs'> {
  /** The broadcast position of most connections. */
  readonly position: () => string | null;
  /** The mailbox position of a connection, if it moved without an event that carried it; else null. Counts as sent from then on (L6). */
  readonly mailboxPosition: (connection: Connection) => string | null;
  /** The broadcast position of one connection (L6). */
  readonly positionOf: (connection: Connection) => string | null;
  readonly onAuthTimeout: (connection: Connection) => void;
}

/**
 * One timer wheel for everything that a connection waits for: authentication, pings and pongs, heartbeats, the end of its token, the end
 * of its close. No timer per connection. Any inbound byte is a sign of life.
 */
export class Liveness {
  private readonly parts: LivenessParts;
  private readonly tokenClock: TokenClock;
  private readonly tickMs: number;
  private readonly slots: Set<Connection>[] = Array.from({ length: SLOTS }, () => new Set());
  private readonly slotOf = new Map<Connection, number>();
  private timer: NodeJS.Timeout | null = null;
  private slotIndex = 0;
  private tickedAt = 0;

  constructor(parts: LivenessParts) {
    this.parts = parts;
    this.tokenClock = parts.tokenClock ?? tokenClock(parts.clock);
    const { pingIntervalMs, pingTimeoutMs, heartbeatIntervalMs, authTimeoutMs } = parts;
    const shortest = Math.min(pingIntervalMs, pingTimeoutMs, heartbeatIntervalMs, authTimeoutMs);
    this.tickMs = Math.max(MIN_TICK_MS, Math.min(MAX_TICK_MS, shortest / 4));
  }

  start(): void {
    this.tickedAt = this.parts.clock.mono();
    this.timer = setInterval(() => this.tick(), this.tickMs);
  }

  stop(): void {
    if (this.timer) clearInterval(this.timer);
    this.timer = null;
  }

  /** The connection has AUTH_TIMEOUT_MS to authenticate. */
  awaitAuth(connection: Connection): void {
    connection.deadline = this.parts.clock.mono() + this.parts.authTimeoutMs;
    this.schedule(connection, connection.deadline);
  }

  /** The connection is open. From now on it gets pings and heartbeats, out of step with others that connected at the same time. */
  watch(connection: Connection): void {
    const { clock, random, pingIntervalMs, heartbeatIntervalMs } = this.parts;
    const now = clock.mono();
    connection.bytesSeen = connection.socket.bytesRead;
    connection.pingDue = now + pingIntervalMs * (0.5 + random() / 2);
    connection.pongDue = 0;
    connection.heartbeatDue = now + heartbeatIntervalMs * (0.5 + random() / 2);
    this.schedule(connection, this.nextDue(connection));
  }

  /** Tests now whether the peer is alive: pings it, unless a pong is already due, and ends the connection if no answer comes in time. */
  test(connection: Connection): void {
    if (!isWatched(connection)) return;
    const read = connection.socket.bytesRead;
    // A pong that has arrived is noticed only at the next tick, and it answers an earlier ping.
    if (connection.pongDue !== 0 && read === connection.bytesSeen) return;
    connection.bytesSeen = read;
    this.ping(connection, this.parts.clock.mono());
    this.schedule(connection, this.nextDue(connection));
  }

  /** The end of its token: a notice, then the close. Replaces earlier values; may be called before `watch`. */
  endToken(connection: Connection, { noticeAt, endsAt, closeAt }: TokenEnd): void {
    connection.tokenNoticeAt = noticeAt;
    connection.tokenCloseAt = closeAt;
    connection.tokenEndsAt = endsAt;
    if (isWatched(connection)) this.schedule(connection, this.nextDue(connection));
  }

  /** The connection is closing: terminate it unless the peer finishes in time. */
  awaitClose(connection: Connection): void {
    connection.deadline = this.parts.clock.mono() + CLOSE_TIMEOUT_MS;
    this.schedule(connection, connection.deadline);
  }

  forget(connection: Connection): void {
    const slot = this.slotOf.get(connection);
    if (slot === undefined) return;
    this.slotOf.delete(connection);
    this.slots[slot]?.delete(connection);
  }

  private schedule(connection: Connection, due: number): void {
    this.forget(connection);
    const ticks = Math.ceil((due - this.parts.clock.mono()) / this.tickMs);
    const slot = (this.slotIndex + Math.max(1, Math.min(SLOTS - 1, ticks))) % SLOTS;
    this.slots[slot]?.add(connection);
    this.slotOf.set(connection, slot);
  }

  private tick(): void {
    this.slotIndex = (this.slotIndex + 1) % SLOTS;
    const slot = this.slots[this.slotIndex];
    if (!slot || slot.size === 0) {
      this.tickedAt = this.parts.clock.mono();
      return;
    }
    const due = [...slot];
    slot.clear();
    const now = this.parts.clock.mono();
    // This process was paused: the peers' pongs may lie unread, so their silence is not their fault.
    const late = now - this.tickedAt > this.tickMs + 1000;
    this.tickedAt = now;
    const shared: SharedBeat = { position: null, frame: null, withPing: null };
    for (const connection of due) {
      this.slotOf.delete(connection);
      switch (connection.status) {
        case 'authenticating':
          if (now >= connection.deadline) this.parts.onAuthTimeout(connection);
          else this.schedule(connection, connection.deadline);
          break;
        case 'closing':
          if (now >= connection.deadline) connection.ws.terminate();
          else this.schedule(connection, connection.deadline);
          break;
        case 'open':
        case 'congested':
        case 'recovering':
          this.checkToken(connection);
          this.probe(connection, now, late, shared);
          break;
        default:
          break;
      }
    }
  }

  private probe(connection: Connection, now: number, late: boolean, shared: SharedBeat): void {
    if (!connection.isOpen()) return;
    const { pingIntervalMs, pingTimeoutMs } = this.parts;
    if (connection.isCongested()) {
      // A ping would wait behind the backlog. The tests of Backpressure, which are more patient, decide whether the peer is alive.
      connection.pongDue = 0;
      connection.pingDue = now + pingIntervalMs;
    }
    const read = connection.socket.bytesRead;
    // A connection that this node stopped reading from cannot show life.
    if (read !== connection.bytesSeen || connection.ws.isPaused) {
      connection.bytesSeen = read;
      if (connection.pongDue !== 0) {
        connection.pongDue = 0;
        connection.pingDue = now + pingIntervalMs;
      }
    }
    if (late && connection.pongDue !== 0) connection.pongDue = now + pingTimeoutMs;
    if (connection.pongDue !== 0 && now >= connection.pongDue) {
      connection.end(CLOSE.NO_PONG);
      return;
    }
    this.beat(connection, now, shared);
    this.schedule(connection, this.nextDue(connection));
  }

  /**
   * Ping and heartbeat, in one write if both are due. One that is due within half its interval comes along with the other: after a few
   * beats both fall together, whatever their intervals are.
   */
  private beat(connection: Connection, now: number, shared: SharedBeat): void {
    const { pingIntervalMs, heartbeatIntervalMs } = this.parts;
    const mayPing = connection.pongDue === 0;
    const isBeatDue = now >= connection.heartbeatDue;
    const isPingDue = mayPing && now >= connection.pingDue;
    if (!isBeatDue && !isPingDue) return;
    const pings = isPingDue || (isBeatDue && mayPing && connection.pingDue - now <= pingIntervalMs / 2);
    // A connection that beats in its own words has times of its own.
    const comesAlong = connection.shape === undefined && connection.heartbeatDue - now <= heartbeatIntervalMs / 2;
    const frame = isBeatDue || (isPingDue && comesAlong) ? this.heartbeat(connection, now, shared) : null;
    if (pings) this.expectPong(connection, now);
    if (frame === null) {
      if (pings) connection.write(PING);
    } else if (!pings) {
      connection.write(frame);
    } else if (frame === shared.frame) {
      shared.withPing ??= Buffer.concat([frame, PING]);
      connection.write(shared.withPing);
    } else {
      connection.write(Buffer.concat([frame, PING]));
    }
  }

  /** The heartbeat of a connection and the time of its next one. Null: it is not sent one now, or has sent its own. */
  private heartbeat(connection: Connection, now: number, shared: SharedBeat): Buffer | null {
    const { clock, heartbeatIntervalMs } = this.parts;
    const own = connection.ownBeat(now);
    connection.heartbeatDue = own ?? now + heartbeatIntervalMs;
    if (own !== null || connection.status !== 'open' || connection.isCongested()) return null;
    shared.position ??= this.parts.position();
    const broadcast = this.parts.positionOf(connection);
    const user = this.parts.mailboxPosition(connection);
    const healthy = connection.isHealthy();
    if (broadcast !== shared.position || user !== null || !healthy) {
      return heartbeatFrame(clock.now(), broadcast, user, healthy);
    }
    shared.frame ??= heartbeatFrame(clock.now(), broadcast, null, true);
    return shared.frame;
  }

  private ping(connection: Connection, now: number): void {
    connection.write(PING);
    this.expectPong(connection, now);
  }

  private expectPong(connection: Connection, now: number): void {
    connection.lastPing = this.parts.clock.now();
    connection.pongDue = now + this.parts.pingTimeoutMs;
  }

  private checkToken(connection: Connection): void {
    const now = this.tokenClock.earliest();
    if (connection.tokenCloseAt !== 0 && now >= connection.tokenCloseAt) {
      connection.end(CLOSE.TOKEN_EXPIRED);
    } else if (connection.tokenNoticeAt !== 0 && now >= connection.tokenNoticeAt) {
      connection.tokenNoticeAt = 0;
      connection.send('token_expiring', { expires_at: new Date(connection.tokenEndsAt).toISOString() });
    }
  }

  /**
   * When something is due next for an established connection, monotonic ms. The end of a token is a wall-clock time and is computed again
   * each time. Otherwise, after a step of the clock or a suspension of the machine, a token would outlive its end by that much.
   */
  private nextDue({ pongDue, pingDue, heartbeatDue, tokenNoticeAt, tokenCloseAt }: Connection): number {
    const due = Math.min(pongDue === 0 ? pingDue : pongDue, heartbeatDue);
    const token = tokenNoticeAt === 0 ? tokenCloseAt : tokenNoticeAt;
    if (token === 0) return due;
    return Math.min(due, token - this.tokenClock.earliest() + this.parts.clock.mono());
  }
}

function isWatched(connection: Connection): boolean {
  const { status } = connection;
  return status === 'open' || status === 'congested' || status === 'recovering';
}
