import { hostname } from 'node:os';
import { memoryUsage, version as nodeVersion, pid } from 'node:process';
import { type NodeStats, nodeStatsSchema } from '@unified-ws/protocol';
import { surveyConnections } from '../../connections/lifecycle/surveyConnections.js';
import { deliveryTotals } from '../../delivery/deliveryTotals.js';
import type { CpuLoad } from '../../observability/health/cpuLoad.js';
import type { LoopLag } from '../../observability/health/loopLag.js';
import { machineFacts } from '../../observability/health/machineFacts.js';
import type { Readiness } from '../../observability/health/readiness.js';
import { serverVersion } from '../../observability/serverVersion.js';
import type { NodeParts } from '../nodeParts.js';

/** Fixed order of the answer, independent of who adds a key first. */
const SECTIONS = Object.keys(nodeStatsSchema.properties) as (keyof NodeStats)[];

/** Collects the facts of this node. */
export class NodeFacts {
  private readonly parts: NodeParts;
  private readonly readiness: Readiness;
  private readonly lag: LoopLag;
  private readonly cpu: CpuLoad;
  private readonly version = serverVersion();

  constructor(parts: NodeParts, readiness: Readiness, lag: LoopLag, cpu: CpuLoad) {
    this.parts = parts;
    this.readiness = readiness;
    this.lag = lag;
    this.cpu = cpu;
  }

  read(): NodeStats {
    const { parts } = this;
    const { counts, errorLog, recovery, lease } = parts;
    const { report, failing } = this.readiness.assess();
    const { ready, checks } = report;
    const { rss, heapUsed, heapTotal, external } = memoryUsage();
    const own: Partial<NodeStats> = {
      node_id: parts.settings.nodeId,
      process_id: parts.processId,
      lease: lease.id,
      host: hostname(),
      pid,
      version: this.version,
      node_version: nodeVersion,
      uptime_seconds: Math.round(counts.uptimeSeconds),
      standing: recovery.recoveryState,
      reason: recovery.reason,
      ready,
      draining: parts.isDraining(),
      checks,
      reasons: [...failing],
      notices: parts.notices.read().map(({ text, penalty }) => ({ text, penalty })),
      connections: this.connections(),
      messages_received: counts.messages.total,
      messages_by_type: counts.messages.toRecord(),
      publishes: counts.publishes.toRecord(),
      delivery: this.delivery(),
      mailboxes: this.mailboxes(),
      registry: this.registry(),
      errors: { total: errorLog.byCode.total, by_code: errorLog.byCode.toRecord() },
      clock: { offset_ms: parts.clusterTime.offsetMs, redis_offset_ms: { ...parts.clockWatch.redis } },
      event_loop_lag_ms: this.lag.read(),
      memory: { rss, heap_used: heapUsed, heap_total: heapTotal, external },
      cpu_percent: this.cpu.percent(),
      machine: machineFacts(),
      queue_workers: this.workers(),
      queue_admin: counts.queueAdmin.toRecord(),
      events_over_rate: parts.typeRates.over.toRecord(),
    };
    const all = Object.assign(own, ...parts.moreStats.map((section) => section())) as NodeStats;
    return Object.fromEntries(SECTIONS.map((section) => [section, all[section]])) as NodeStats;
  }

  private connections(): NodeStats['connections'] {
    const { sockets, counts, settings } = this.parts;
    const { byStatus, healthy, withErrors, bufferedBytes, closedByCode } = surveyConnections(this.parts);
    return {
      total: sockets.size,
      max: settings.maxConnections,
      pending_auth: sockets.pendingAuth,
      by_status: byStatus,
      healthy,
      with_errors: withErrors,
      buffered_bytes: bufferedBytes,
      accepted: sockets.accepted,
      established: counts.established,
      closed: closedByCode,
      refused: counts.refused.toRecord(),
    };
  }

  private delivery(): NodeStats['delivery'] {
    const { fanout, backpressure, compression } = this.parts;
    const compressed = compression.counts;
    const { counts, cohorts, readers, recentEvents, ephemeralDelivery } = fanout;
    const served = readers.counts;
    const totals = deliveryTotals(fanout);
    return {
      events: counts.events,
      deliveries: totals.deliveries,
      flushes: counts.flushes,
      writes: totals.writes,
      bytes: totals.bytes,
      unknown_types: counts.unknown,
      gaps: totals.gaps,
      cohorts: cohorts.size,
      members: cohorts.members,
      readers: readers.size,
      replayed: served.replayed,
      replayed_from_log: served.fromLog,
      window_events: recentEvents.size,
      window_bytes: recentEvents.bytes,
      congested: backpressure.size,
      congestions: backpressure.counts.congested,
      drained: backpressure.counts.drained,
      too_slow: backpressure.counts.ended,
      ephemeral: this.ephemeral(totals.dropped),
      compression: { bytes_in: compressed.bytesIn, bytes_out: compressed.bytesOut, skipped: compressed.skipped },
      rate_limited: ephemeralDelivery.counts.notices,
    };
  }

  private ephemeral(dropped: ReturnType<typeof deliveryTotals>['dropped']): NodeStats['delivery']['ephemeral'] {
    const { fanout, ephemeral } = this.parts;
    const { received, sent, conflated } = fanout.ephemeral.counts;
    const { withheld } = fanout.ephemeralDelivery.counts;
    return {
      published: ephemeral.counts.published,
      absent: ephemeral.counts.absent,
      received,
      sent,
      conflated,
      dropped,
      withheld,
    };
  }

  private mailboxes(): NodeStats['mailboxes'] {
    const { mailboxes, userScope, acks } = this.parts;
    const { trimmedUnacknowledged, ...appends } = mailboxes.counts;
    return {
      ...appends,
      trimmed_unacknowledged: trimmedUnacknowledged,
      ...userScope.counts,
      behind: userScope.waiting,
      acks: { ...acks.counts },
    };
  }

  private registry(): NodeStats['registry'] {
    const { counts, pendingReplacements, duplicates, evictions, releases, failureDetector } = this.parts;
    return {
      takeovers: counts.replacements,
      waiting_takeovers: pendingReplacements.size,
      evictions: evictions.closed,
      duplicates_found: duplicates.found,
      pending_releases: releases.pending,
      fenced_periods: counts.fencedPeriods,
      fenced_seconds: counts.fencedSeconds,
      live_leases: failureDetector.live().length,
      dead_leases: failureDetector.dead().length,
    };
  }

  private workers(): NodeStats['queue_workers'] {
    const { standingAside, lanes, renewals, refused } = this.parts.queues.stats();
    return {
      renewals: { ...renewals },
      refused: { ...refused },
      standing_aside: standingAside,
      lanes: lanes.map(({ stalledMs, retrying, ...lane }) => ({
        ...lane,
        stalled_ms: Math.round(stalledMs),
        // The text is an error of a library: it goes to the log only.
        retrying: retrying && { since: new Date(retrying.since).toISOString(), attempts: retrying.attempts },
      })),
    };
  }
}
