import type { NodeRecord } from '../../support/nodeLog.js';

/** A stretch of time in which a connection was established and could be delivered to; monotonic ms. */
interface Segment {
  readonly start: number;
  lastFlush: number | null;
  /** Null while it lasts. */
  end: number | null;
  /** Its node was interrupted, paused or killed meanwhile: then only a flush proves that it had the right to deliver. */
  doubtful: boolean;
}

interface Entry {
  readonly conn: string;
  readonly user: string;
  readonly node: number;
  readonly client: string | null;
  readonly fence: string;
  readonly segments: Segment[];
  closed: { readonly mono: number; readonly code: number } | null;
}

/** Endings that a failure's text lists. */
const MAX_TOLD = 10;

export interface ClosedRecord {
  readonly user: string;
  readonly fence: string;
  readonly code: number;
  /** Monotonic ms. */
  readonly mono: number;
}

/**
 * Reads the logs of all nodes, in the machine's one monotonic clock, and says whether two connections of a user were ever
 * current at the same time (I1), or one was delivered to after it was closed.
 */
export class Ledger {
  readonly violations: string[] = [];
  private readonly byConn = new Map<string, Entry>();
  private readonly byUser = new Map<string, Set<Entry>>();
  /** Per user: connections that ended without ever being established, and all others that ended. */
  private readonly closedConns = new Map<string, ClosedRecord>();
  /** By node and user: connections that ended in the node's present life. */
  private readonly closedCounts: Map<string, number>[] = [];
  private readonly pauses: { readonly node: number; readonly from: number; to: number }[] = [];

  take(node: number, record: NodeRecord): void {
    switch (record.event) {
      case 'established':
        this.add({
          conn: record.conn,
          user: record.user,
          node,
          client: record.client,
          fence: record.fence,
          segments: [begin(record.mono)],
          closed: null,
        });
        break;
      case 'flush':
        for (const conn of record.conns) this.flushed(conn, record.mono);
        break;
      case 'suspended':
        this.endSegment(this.byConn.get(record.conn), record.mono);
        break;
      case 'regained':
        this.byConn.get(record.conn)?.segments.push(begin(record.mono));
        break;
      case 'closed': {
        const { conn, user, fence, code, mono } = record;
        this.closedConns.set(conn, { user, fence, code, mono });
        this.countsOf(node).set(user, this.closedOn(node, user) + 1);
        const entry = this.byConn.get(record.conn);
        if (!entry) break;
        this.endSegment(entry, record.mono);
        entry.closed = { mono: record.mono, code: record.code };
        break;
      }
      case 'interrupted':
        // By the order of the node's own log.
        for (const segment of this.openSegments(node)) segment.doubtful = true;
        break;
      case 'serving':
        break;
    }
  }

  /** The process was killed, and all of its log was read. */
  killed(node: number): void {
    this.countsOf(node).clear();
    for (const entry of this.byConn.values()) {
      if (entry.node !== node || entry.closed) continue;
      for (const segment of entry.segments) {
        if (segment.end !== null) continue;
        segment.doubtful = true;
        segment.end = segment.lastFlush ?? segment.start;
      }
      const mono = entry.segments.at(-1)?.end ?? 0;
      entry.closed = { mono, code: 1006 };
      this.closedConns.set(entry.conn, { user: entry.user, fence: entry.fence, code: 1006, mono });
    }
  }

  paused(node: number, from: number, to: number): void {
    this.pauses.push({ node, from, to });
  }

  /** How many connections of the user have ended on this node since it was started. */
  closedOn(node: number, user: string): number {
    return this.countsOf(node).get(user) ?? 0;
  }

  /** Established, and not closed since. */
  isOpen(conn: string): boolean {
    return this.byConn.get(conn)?.closed === null;
  }

  closedOf(conn: string): ClosedRecord | undefined {
    return this.closedConns.get(conn);
  }

  /** How the user's connection with this fence ended, when its log says so: not when it ended before it knew its fence. */
  closedWithFence(user: string, fence: string): ClosedRecord | undefined {
    return [...this.closedConns.values()].find((record) => record.user === user && record.fence === fence);
  }

  /**
   * Connections of different clients of the user that were current at the same time, in words; then forgets those that ended.
   * One client's connections count as one: it reads only its newest (I1).
   *
   * @param toleranceMs an overlap up to this long is allowed (Redis lost the claim: CONSISTENCY, last chapter).
   */
  overlaps(user: string, toleranceMs = 0): string[] {
    const entries = [...(this.byUser.get(user) ?? [])];
    const found: string[] = [];
    entries.forEach((one, index) => {
      for (const other of entries.slice(index + 1)) {
        if (one.client !== null && one.client === other.client) continue;
        for (const a of one.segments) {
          for (const b of other.segments) {
            const common = Math.min(this.endOf(one, a), this.endOf(other, b)) - Math.max(a.start, b.start);
            if (common > toleranceMs)
              found.push(`${describe(one, a)} and ${describe(other, b)}: ${common.toFixed(2)} ms`);
          }
        }
      }
    });
    for (const entry of entries) if (entry.closed) this.forget(entry);
    return found;
  }

  /** What the logs say of the user, for a failure's text. */
  describe(user: string): string {
    const lines = [...(this.byUser.get(user) ?? [])].flatMap((entry) => {
      const closed = entry.closed === null ? 'open' : `closed ${entry.closed.code} at ${entry.closed.mono.toFixed(2)}`;
      return entry.segments.map((segment) => `  ${describe(entry, segment)} ${closed}`);
    });
    // Among them those that ended before they were established.
    const ends = [...this.closedConns]
      .filter(([, record]) => record.user === user)
      .sort(([, one], [, other]) => one.mono - other.mono)
      .slice(-MAX_TOLD)
      .map(([conn, { fence, code, mono }]) => `  ${conn} fence ${fence} ${code} at ${mono.toFixed(2)}`);
    return ['in the logs:', ...lines, 'closed last:', ...ends].join('\n');
  }

  private countsOf(node: number): Map<string, number> {
    const counts = this.closedCounts[node] ?? new Map<string, number>();
    this.closedCounts[node] = counts;
    return counts;
  }

  private endOf(entry: Entry, segment: Segment): number {
    const end = segment.end ?? Number.POSITIVE_INFINITY;
    const paused = this.pauses.some(({ node, from, to }) => node === entry.node && from < end && to > segment.start);
    if (segment.end === null || !(segment.doubtful || paused)) return end;
    return segment.lastFlush ?? segment.start;
  }

  private flushed(conn: string, mono: number): void {
    const entry = this.byConn.get(conn);
    // Forgotten after it closed, or never established: both must not be delivered to.
    if (!entry || entry.closed) {
      this.violations.push(`${conn} was delivered to at ${mono} though ${entry ? 'closed' : 'not established'}`);
      return;
    }
    const segment = entry.segments.at(-1);
    if (!segment || segment.end !== null) this.violations.push(`${conn} was delivered to at ${mono} while suspended`);
    else segment.lastFlush = mono;
  }

  private *openSegments(node: number): Iterable<Segment> {
    for (const entry of this.byConn.values()) {
      if (entry.node !== node) continue;
      for (const segment of entry.segments) if (segment.end === null) yield segment;
    }
  }

  private endSegment(entry: Entry | undefined, mono: number): void {
    const segment = entry?.segments.at(-1);
    if (segment && segment.end === null) segment.end = mono;
  }

  private add(entry: Entry): void {
    this.byConn.set(entry.conn, entry);
    const known = this.byUser.get(entry.user);
    if (known) known.add(entry);
    else this.byUser.set(entry.user, new Set([entry]));
  }

  private forget(entry: Entry): void {
    this.byConn.delete(entry.conn);
    this.byUser.get(entry.user)?.delete(entry);
  }
}

function begin(mono: number): Segment {
  return { start: mono, lastFlush: null, end: null, doubtful: false };
}

function describe(entry: Entry, segment: Segment): string {
  const end = segment.end === null ? 'still open' : segment.end.toFixed(2);
  const flush = segment.lastFlush === null ? 'none' : segment.lastFlush.toFixed(2);
  return `${entry.conn} (node ${entry.node}, fence ${entry.fence}, ${segment.start.toFixed(2)}-${end}, last flush ${flush})`;
}
