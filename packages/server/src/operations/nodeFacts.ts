import { hostname } from 'node:os';
import { memoryUsage, version as nodeVersion, pid } from 'node:process';
import { CLOSE, CONNECTION_STATUSES, type RolloutMode } from '@unified-ws/protocol';
import type { Connection } from '../edge/connection.js';
import { WIRE_STATUS } from '../edge/states.js';
import type { CpuLoad } from '../observability/cpu.js';
import type { Check, CheckName, Readiness } from '../observability/health.js';
import type { LagReading, LoopLag } from '../observability/lag.js';
import { type MachineFacts, machineFacts } from '../observability/machine.js';
import { serverVersion } from '../observability/version.js';
import type { Standing } from '../registry/recovery.js';
import type { NodeView } from './view.js';

/** What one node says of itself: the answer to the bus command `stats`. Sums are since its start. */
export interface NodeStats {
  readonly node_id: string;
  readonly lease: string;
  readonly host: string;
  readonly pid: number;
  readonly version: string;
  readonly node_version: string;
  readonly uptime_seconds: number;
  readonly standing: Standing;
  /** Why it is not serving, '' when it is. */
  readonly reason: string;
  readonly ready: boolean;
  readonly draining: boolean;
  readonly checks: Readonly<Record<CheckName, Check>>;
  readonly reasons: readonly string[];
  readonly connections: ConnectionStats;
  readonly messages_received: number;
  readonly messages_by_type: Readonly<Record<string, number>>;
  readonly publishes: Readonly<Record<string, number>>;
  readonly delivery: DeliveryStats;
  readonly mailboxes: MailboxStats;
  readonly registry: RegistryStats;
  readonly errors: { readonly total: number; readonly by_code: Readonly<Record<string, number>> };
  readonly event_loop_lag_ms: LagReading;
  readonly memory: {
    readonly rss: number;
    readonly heap_used: number;
    readonly heap_total: number;
    readonly external: number;
  };
  /** Of one core, over the last 5 to 10 s. */
  readonly cpu_percent: number;
  readonly machine: MachineFacts;
  readonly queue_workers: QueueWorkerStats;
  /** What admins did to the event queue through this node. */
  readonly queue_admin: Readonly<Record<string, number>>;
  /** Durable events over the rate of their type, by type. */
  readonly events_over_rate: Readonly<Record<string, number>>;
  readonly rollout: RolloutStats;
}

/** The roll-out that is in force on the node. */
export interface RolloutStats {
  readonly mode: RolloutMode;
  readonly percentage: number;
  readonly enforce: boolean;
  readonly version: number;
  readonly rolled_back: boolean;
  /** Messages `rollout_changed`. */
  readonly notices: number;
}

export interface ConnectionStats {
  /** All sockets, those that have not authenticated and those that are closing included. */
  readonly total: number;
  readonly max: number;
  readonly pending_auth: number;
  /** By the status on the wire. */
  readonly by_status: Readonly<Record<string, number>>;
  /** With at least one bad message in a row just now. */
  readonly with_errors: number;
  /** Bytes that wait in the sockets of all connections. */
  readonly buffered_bytes: number;
  readonly accepted: number;
  readonly established: number;
  readonly closed: Readonly<Record<string, number>>;
  readonly refused: Readonly<Record<string, number>>;
}

export interface DeliveryStats {
  readonly events: number;
  readonly deliveries: number;
  readonly flushes: number;
  readonly writes: number;
  readonly bytes: number;
  readonly unknown_types: number;
  readonly gaps: number;
  readonly cohorts: number;
  readonly members: number;
  /** Connections with a cursor of their own: behind, or served singly for good. */
  readonly readers: number;
  /** Events written to readers, and those of them that came from the log in Redis. */
  readonly replayed: number;
  readonly replayed_from_log: number;
  /** Newest broadcast events in memory. */
  readonly window_events: number;
  readonly window_bytes: number;
  /** Connections whose peers take less than they are sent: now, ever, and how that ended. */
  readonly congested: number;
  readonly congestions: number;
  readonly drained: number;
  readonly too_slow: number;
  readonly ephemeral: EphemeralStats;
  /** Bytes of events before and after compression, and events for which there was no time. */
  readonly compression: { readonly bytes_in: number; readonly bytes_out: number; readonly skipped: number };
  /** Messages `rate_limited`. */
  readonly rate_limited: number;
}

export interface EphemeralStats {
  /** Published by this node. */
  readonly published: number;
  /** Targets that were not connected. */
  readonly absent: number;
  /** Taken from the bus. */
  readonly received: number;
  /** Gone out to whoever is to have them. */
  readonly sent: number;
  /** Replaced by a later one of their key before they went out. */
  readonly conflated: number;
  /** Did not go out, by reason. */
  readonly dropped: Readonly<Record<string, number>>;
  /** Events times connections that were congested or over their rate. */
  readonly withheld: number;
}

export interface MailboxStats {
  /** Events times mailboxes, by this node's workers. */
  readonly appended: number;
  readonly duplicates: number;
  /** Entries that went before they were acknowledged. */
  readonly trimmed_unacknowledged: number;
  /** Events written to connections of this node. */
  readonly deliveries: number;
  readonly unwanted: number;
  readonly holes: number;
  readonly reads: number;
  readonly gaps: number;
  /** Connections that are behind their mailbox just now. */
  readonly behind: number;
  readonly acks: { readonly stored: number; readonly ignored: number; readonly failed: number };
}

export interface RegistryStats {
  readonly takeovers: number;
  readonly waiting_takeovers: number;
  /** Connections of this node that a newer claim ended. */
  readonly evictions: number;
  readonly pending_releases: number;
  readonly fenced_periods: number;
  readonly fenced_seconds: number;
  readonly live_leases: number;
  readonly dead_leases: number;
}

export interface QueueWorkerStats {
  readonly standing_aside: boolean;
  readonly lanes: readonly LaneWorkerStats[];
  /** Workers that were replaced, by reason. */
  readonly renewals: Readonly<Record<string, number>>;
  /** Publishes refused for want of room, by reason. */
  readonly refused: Readonly<Record<string, number>>;
}

export interface LaneWorkerStats {
  readonly queue: string;
  readonly appended: number;
  readonly duplicates: number;
  readonly expired: number;
  readonly poisoned: number;
  /** A job that is being retried in place because something it needs is away; null: none. */
  readonly retrying: { readonly since: string; readonly attempts: number } | null;
  /** How long the job next in line was started by nobody; 0: all is well. */
  readonly stalled_ms: number;
}

/** Gathers the facts of this node. Walks the connections once: a millisecond for 50,000 of them, and nobody asks often. */
export class NodeFacts {
  private readonly view: NodeView;
  private readonly readiness: Readiness;
  private readonly lag: LoopLag;
  private readonly cpu: CpuLoad;
  private readonly version = serverVersion();

  constructor(view: NodeView, readiness: Readiness, lag: LoopLag, cpu: CpuLoad) {
    this.view = view;
    this.readiness = readiness;
    this.lag = lag;
    this.cpu = cpu;
  }

  read(): NodeStats {
    const { view } = this;
    const { counts, errorLog, recovery, lease } = view;
    const { ready, checks, reasons } = this.readiness.read();
    const { rss, heapUsed, heapTotal, external } = memoryUsage();
    return {
      node_id: view.settings.nodeId,
      lease: lease.id,
      host: hostname(),
      pid,
      version: this.version,
      node_version: nodeVersion,
      uptime_seconds: Math.round(counts.uptimeSeconds),
      standing: recovery.standing,
      reason: recovery.reason,
      ready,
      draining: view.isDraining(),
      checks,
      reasons,
      connections: this.connections(),
      messages_received: counts.messages.total,
      messages_by_type: counts.messages.toRecord(),
      publishes: counts.publishes.toRecord(),
      delivery: this.delivery(),
      mailboxes: this.mailboxes(),
      registry: this.registry(),
      errors: { total: errorLog.byCode.total, by_code: errorLog.byCode.toRecord() },
      event_loop_lag_ms: this.lag.read(),
      memory: { rss, heap_used: heapUsed, heap_total: heapTotal, external },
      cpu_percent: this.cpu.percent(),
      machine: machineFacts(),
      queue_workers: this.workers(),
      queue_admin: counts.queueAdmin.toRecord(),
      events_over_rate: view.typeRates.over.toRecord(),
      rollout: this.rollout(),
    };
  }

  private rollout(): RolloutStats {
    const { rollouts, rolloutNotices } = this.view;
    const { mode, percentage, enforce, version, rolledBack } = rollouts.state;
    return { mode, percentage, enforce, version, rolled_back: rolledBack !== null, notices: rolloutNotices.sent };
  }

  private connections(): ConnectionStats {
    const { table, sockets, counts, settings } = this.view;
    const byStatus = new Map<string, number>(CONNECTION_STATUSES.map((status) => [status, 0]));
    const add = (status: string, by: number): void => {
      byStatus.set(status, (byStatus.get(status) ?? 0) + by);
    };
    let withErrors = 0;
    let buffered = 0;
    for (const connection of table.all() as Iterable<Connection>) {
      add(WIRE_STATUS[connection.status], 1);
      if (connection.consecutiveErrors > 0) withErrors += 1;
      buffered += connection.buffered;
    }
    const pending = sockets.pendingAuth;
    add(WIRE_STATUS.authenticating, pending);
    // Out of the table at once when they close, gone when TCP is.
    add(WIRE_STATUS.closing, Math.max(0, sockets.size - table.size - pending));
    return {
      total: sockets.size,
      max: settings.maxConnections,
      pending_auth: pending,
      by_status: Object.fromEntries(byStatus),
      with_errors: withErrors,
      buffered_bytes: buffered,
      accepted: sockets.accepted,
      established: counts.established,
      closed: closedByCode(sockets.closed),
      refused: counts.refused.toRecord(),
    };
  }

  private delivery(): DeliveryStats {
    const { fanout, backpressure, compression } = this.view;
    const compressed = compression.counts;
    const { counts, cohorts, readers, window, ephemeralDelivery } = fanout;
    const served = readers.counts;
    return {
      events: counts.events,
      deliveries: counts.deliveries + served.replayed + ephemeralDelivery.counts.delivered,
      flushes: counts.flushes,
      writes: counts.writes + served.writes,
      bytes: counts.bytes + served.bytes,
      unknown_types: counts.unknown,
      gaps: counts.gaps + served.gaps,
      cohorts: cohorts.size,
      members: cohorts.members,
      readers: readers.size,
      replayed: served.replayed,
      replayed_from_log: served.fromLog,
      window_events: window.size,
      window_bytes: window.bytes,
      congested: backpressure.size,
      congestions: backpressure.counts.congested,
      drained: backpressure.counts.drained,
      too_slow: backpressure.counts.ended,
      ephemeral: this.ephemeral(),
      compression: { bytes_in: compressed.bytesIn, bytes_out: compressed.bytesOut, skipped: compressed.skipped },
      rate_limited: ephemeralDelivery.counts.notices,
    };
  }

  private ephemeral(): EphemeralStats {
    const { fanout, ephemeral } = this.view;
    const { received, sent, conflated, ...others } = fanout.ephemeral.counts;
    const { withheld, missed } = fanout.ephemeralDelivery.counts;
    return {
      published: ephemeral.counts.published,
      absent: ephemeral.counts.absent,
      received,
      sent,
      conflated,
      dropped: {
        rate: others.dropped_rate,
        expired: others.dropped_expired,
        full: others.dropped_full,
        fenced: others.dropped_fenced,
        gone: missed,
      },
      withheld,
    };
  }

  private mailboxes(): MailboxStats {
    const { mailboxes, userScope, acks } = this.view;
    const { trimmedUnacknowledged, ...appends } = mailboxes.counts;
    return {
      ...appends,
      trimmed_unacknowledged: trimmedUnacknowledged,
      ...userScope.counts,
      behind: userScope.waiting,
      acks: { ...acks.counts },
    };
  }

  private registry(): RegistryStats {
    const { counts, displacements, evictions, releases, judge } = this.view;
    return {
      takeovers: counts.takeovers,
      waiting_takeovers: displacements.size,
      evictions: evictions.closed,
      pending_releases: releases.pending,
      fenced_periods: counts.fencedPeriods,
      fenced_seconds: Math.round(counts.fencedSeconds * 1000) / 1000,
      live_leases: judge.live().length,
      dead_leases: judge.dead().length,
    };
  }

  private workers(): QueueWorkerStats {
    const { standingAside, lanes, renewals, refused } = this.view.queues.stats();
    return {
      renewals: { ...renewals },
      refused: { ...refused },
      standing_aside: standingAside,
      lanes: lanes.map(({ queue, appended, duplicates, expired, poisoned, retrying, stalledMs }) => ({
        queue,
        appended,
        duplicates,
        expired,
        poisoned,
        stalled_ms: Math.round(stalledMs),
        // Its text is the error of a library: it stays in the log.
        retrying: retrying && { since: new Date(retrying.since).toISOString(), attempts: retrying.attempts },
      })),
    };
  }
}

const OWN_CODES: ReadonlySet<number> = new Set(Object.values(CLOSE));

/** A peer may close with any code it likes: those that mean something are told apart. */
function closedByCode(closed: ReadonlyMap<number, number>): Record<string, number> {
  const byCode: Record<string, number> = {};
  for (const [code, count] of closed) {
    const known = (code >= 1000 && code <= 1015) || OWN_CODES.has(code);
    const name = known ? String(code) : 'other';
    byCode[name] = (byCode[name] ?? 0) + count;
  }
  return byCode;
}
