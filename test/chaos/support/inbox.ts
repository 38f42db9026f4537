import { type Position, parsePosition, type ResumeResult } from '@unified-ws/protocol';
import type { Received } from '../../support/client.js';

export const SCOPES = ['broadcast', 'user'] as const;
export type Scope = (typeof SCOPES)[number];

/** The client was told that events of a scope are lost. */
export interface Reported {
  readonly scope: Scope;
  /** `partial`, `none`, or the reason of a `gap`. */
  readonly what: string;
  /** Its position when it was told. */
  readonly from: Position | null;
  /** The last position that it cannot have; null while nothing came after. */
  to: Position | null;
  /** Monotonic ms. */
  readonly at: number;
}

/** Repeats are known among so many ids, as in the SDK (CONSISTENCY L1). */
const REMEMBERED_IDS = 1000;

/**
 * What one client was sent, over all of its connections: drops repeats as the SDK does, and watches that each scope comes in
 * the order of its log and without a hole that it was not told of (I4).
 */
export class Inbox {
  /** Position of each event that was handed to the application, by event id. */
  readonly events: Record<Scope, Map<string, Position>> = { broadcast: new Map(), user: new Map() };
  readonly positions: Record<Scope, string | null> = { broadcast: null, user: null };
  readonly reported: Reported[] = [];
  readonly violations: string[] = [];
  /** Repeats on the wire, dropped by their id. */
  duplicates = 0;
  /** Longest time between two events, milliseconds, and when the last one came. */
  longestSilenceMs = 0;
  lastEventAt = 0;
  private readonly filtered: boolean;
  private readonly recent = new Set<string>();
  /** Null: the next event may have any position. */
  private readonly last: Record<Scope, Position | null> = { broadcast: null, user: null };

  /** @param filtered some events of the log are for others: that offsets are left out is no hole. */
  constructor(filtered = false) {
    this.filtered = filtered;
  }

  onEstablished(
    resume: Readonly<Record<Scope, ResumeResult>>,
    positions: Readonly<Record<Scope, string | null>>,
    at: number,
    where: string,
  ): void {
    for (const scope of SCOPES) {
      const result = resume[scope];
      const position = positions[scope];
      const given = this.positions[scope];
      if (given === null) {
        if (result !== 'fresh') this.violations.push(`${scope} ${result} though no position was given, ${where}`);
        this.begin(scope, position);
      } else if (result === 'full') {
        if (position !== null && position !== given) {
          this.violations.push(`${scope} full, but the position went from ${given} to ${position}, ${where}`);
        }
      } else if (result === 'fresh') {
        this.violations.push(`${scope} fresh though ${given} was given, ${where}`);
      } else {
        this.tell(scope, result, at);
        if (result === 'none') {
          this.begin(scope, position);
          this.closeReported(scope, position === null ? null : parsePosition(position));
        }
      }
    }
  }

  /** Null says nothing: it leaves what is known. */
  onHeartbeat(positions: Readonly<Record<Scope, string | null>>, where: string): void {
    for (const scope of SCOPES) {
      const text = positions[scope];
      const position = text === null ? null : parsePosition(text);
      if (position === null || text === this.positions[scope]) continue;
      const last = this.last[scope];
      // All that concerns the client up to here was written before; here everything concerns it.
      if (!this.filtered && last !== null && (position.epoch !== last.epoch || position.offset > last.offset)) {
        this.violations.push(`${scope} position ${text} while ${describe(last)} was the last event, ${where}`);
      }
      this.positions[scope] = text;
    }
  }

  onGap(data: Readonly<Record<string, unknown>>, at: number): void {
    this.tell(data.scope === 'user' ? 'user' : 'broadcast', String(data.reason), at);
  }

  /** Whether the event is handed to the application: it is not a repeat. */
  onEvent(frame: Received, where: string): boolean {
    const scope: Scope = frame.scope === 'user' ? 'user' : 'broadcast';
    const id = frame.id ?? '';
    const position = parsePosition(frame.position ?? '');
    if (id === '' || position === null) {
      this.violations.push(`an event without id or position: ${JSON.stringify(frame)}, ${where}`);
      return false;
    }
    if (this.lastEventAt > 0) this.longestSilenceMs = Math.max(this.longestSilenceMs, frame.at - this.lastEventAt);
    this.lastEventAt = frame.at;
    const repeat = this.recent.has(id);
    this.follow(scope, position, repeat, `${scope} ${id} at ${frame.position}, ${where}`);
    if (frame.position) this.positions[scope] = frame.position;
    if (repeat) {
      this.duplicates += 1;
      return false;
    }
    this.remember(id);
    if (this.events[scope].has(id)) this.violations.push(`${scope} ${id} was handed over twice, ${where}`);
    this.events[scope].set(id, position);
    return true;
  }

  /** Whether it was told that an event of this position may be lost; null: nobody had it, so its position is not known. */
  excused(scope: Scope, position: Position | null): boolean {
    return this.reported.some(
      (reported) => reported.scope === scope && (position === null || covers(reported, position)),
    );
  }

  private follow(scope: Scope, position: Position, repeat: boolean, what: string): void {
    const last = this.last[scope];
    if (last !== null) {
      const same = position.epoch === last.epoch;
      if (same && position.offset <= last.offset) {
        if (!repeat) this.violations.push(`out of order: ${what} after ${describe(last)}`);
        return;
      }
      if (!same || (!this.filtered && position.offset !== last.offset + 1)) {
        this.violations.push(`a hole that was not told: ${what} after ${describe(last)}`);
      }
    }
    this.closeReported(scope, { ...position, offset: position.offset - 1 });
    this.last[scope] = position;
  }

  private begin(scope: Scope, text: string | null): void {
    this.positions[scope] = text;
    this.last[scope] = text === null ? null : parsePosition(text);
  }

  private tell(scope: Scope, what: string, at: number): void {
    const position = this.positions[scope];
    this.reported.push({ scope, what, from: position === null ? null : parsePosition(position), to: null, at });
    this.last[scope] = null;
  }

  private closeReported(scope: Scope, to: Position | null): void {
    for (const reported of this.reported) if (reported.scope === scope) reported.to ??= to;
  }

  private remember(id: string): void {
    this.recent.add(id);
    if (this.recent.size <= REMEMBERED_IDS) return;
    const [oldest] = this.recent;
    if (oldest !== undefined) this.recent.delete(oldest);
  }
}

function covers({ from, to }: Reported, { epoch, offset }: Position): boolean {
  const afterFrom = from === null || epoch !== from.epoch || offset > from.offset;
  const upToTo = to === null || epoch !== to.epoch || offset <= to.offset;
  // Of a third history: neither side speaks of it.
  const known = from?.epoch === epoch || to?.epoch === epoch;
  return known ? afterFrom && upToTo : from === null;
}

function describe({ epoch, offset }: Position): string {
  return `${epoch}.${offset}`;
}
