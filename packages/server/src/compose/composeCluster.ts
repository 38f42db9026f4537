import { hostname } from 'node:os';
import { pid } from 'node:process';
import type { Standing } from '@unified-ws/protocol';
import { CLOSE, type CloseCode } from '@unified-ws/protocol';
import { Redis } from 'ioredis';
import { Bus } from '../bus/bus.js';
import type { EphemeralMessage, MailBatch } from '../bus/busMessages.js';
import { Commands } from '../bus/commands.js';
import { Watchdog } from '../bus/watchdog.js';
import { PENALTY } from '../observability/health/notices.js';
import type { PeersView } from '../observability/health/readiness.js';
import { serverVersion } from '../observability/serverVersion.js';
import { onLinkBroken } from '../redis/shardMap.js';
import { Claims } from '../registry/claim/claims.js';
import { Duplicates } from '../registry/claim/duplicates.js';
import { Evictions } from '../registry/claim/evictions.js';
import { PendingReplacements } from '../registry/claim/pendingReplacements.js';
import { Releases } from '../registry/claim/releases.js';
import { Differences } from '../registry/nodes/differences.js';
import { FailureDetector } from '../registry/nodes/failureDetector.js';
import { Lease } from '../registry/nodes/lease.js';
import { NodeCards } from '../registry/nodes/nodeCards.js';
import { NodeProcesses } from '../registry/nodes/nodeProcesses.js';
import { OldBuildWatch } from '../registry/nodes/oldBuildWatch.js';
import { Housekeeping } from '../registry/recovery/housekeeping.js';
import { type ReconcileParts, Reconciler, Sweep } from '../registry/recovery/reconciler.js';
import { Recovery } from '../registry/recovery/recovery.js';
import { Shards } from '../registry/recovery/shards.js';
import { RegistryStore } from '../registry/store/registryStore.js';
import { agreementValues } from '../settings/agreement.js';
import type { CoreParts } from './composeCore.js';

/** Calls upwards, to parts that are made later. None is made before the node starts. */
interface ClusterCalls {
  /** A batch of broadcast events arrived over the bus. */
  readonly onEvents: (text: string) => void;
  /** Events for users who are connected here arrived over the bus. @param size of the received message, characters. */
  readonly onEphemeral: (events: EphemeralMessage['events'], size: number) => void;
  readonly onMail: (batch: MailBatch) => void;
  /** The registry returned the position of the mailbox of an established connection. */
  readonly onMailbox: NonNullable<ReconcileParts['onMailbox']>;
  /** Events written to a connection after this cluster time, ms. */
  readonly writtenSince: (conn: string, since: number) => number;
  /** Read the logs up to their heads. */
  readonly catchUp: () => Promise<void>;
  /** Delivery was stopped or resumed. */
  readonly onStateChange: (recoveryState: Standing) => void;
  readonly endUnestablished: (code: CloseCode) => void;
}

export type ClusterParts = ReturnType<typeof composeCluster>;

/** This node in the cluster: the bus, the lease, the registry of connections, and recovery after an interruption. */
export function composeCluster(core: CoreParts, calls: ClusterCalls) {
  const { settings, nodeId, clock, clusterTime, machineClock, logger, report, counts, keys, installation } = core;
  const { redis, table } = core;
  const cards = new NodeCards({
    node: nodeId,
    process: core.processId,
    version: serverVersion(),
    host: hostname(),
    pid,
    lease_ttl_ms: settings.leaseTtlMs,
    group: core.group,
    joined: false,
    fit: false,
    settings: { ...agreementValues(settings), version: serverVersion() },
  });
  const failureDetector = new FailureDetector(settings.leaseTtlMs, (lease) => cards.of(lease)?.lease_ttl_ms);
  const bus = new Bus(core, {
    onEvents: calls.onEvents,
    onInterrupted: (reason) => recovery.interrupt(reason),
    onTime: (time) => recovery.hear(time),
    onMessage: (message, size) => {
      if (message.t === 'evict') evictions.onEvict(message);
      else if (message.t === 'evicted') pendingReplacements.confirm(message.by, message.conn);
      else if (message.t === 'ephemeral') calls.onEphemeral(message.events, size);
      else if (message.t === 'request') commands.onRequest(message);
      else if (message.t === 'reply') commands.onReply(message);
      else for (const batch of message.boxes) calls.onMail(batch);
    },
  });
  const duplicates = new Duplicates({ writtenSince: calls.writtenSince, logger });
  const evictions = new Evictions({
    bus,
    find: (conn) => table.get(conn),
    duplicates,
    onReplaced: (conn, { by, code }) => {
      const connection = table.get(conn);
      if (connection) core.securityRecords.replaced(connection, by, code);
    },
  });
  const watchdog = new Watchdog(bus, clock, report);
  const lease = new Lease({
    redis,
    bus,
    keys,
    clock: machineClock,
    failureDetector,
    cards,
    clusterTime,
    installation,
    nodeId,
    leaseTtlMs: settings.leaseTtlMs,
  });
  const commands = new Commands({
    bus,
    report,
    lease: () => lease.id,
    liveLeases: () => failureDetector.live(),
    nameMissing: (answered, missing) => nodeProcesses.missing(answered, missing),
  });
  const differences = new Differences({ failureDetector, cards, clock, reportAfterMs: core.differencesReportedMs });
  core.notices.add(() => differences.notices());
  const oldBuildWatch = new OldBuildWatch({ failureDetector, cards, clock: clusterTime });
  const nodeProcesses = new NodeProcesses({ failureDetector, cards, lease: () => lease.id });
  core.notices.add(() =>
    [...nodeProcesses.sharedNames()].map(([name, processes]) => ({
      text: `node_id: ${name} is the name of several nodes (${processes.join(', ')}): give each its own NODE_ID`,
      penalty: PENALTY.degraded,
    })),
  );
  const shards = new Shards({ redis, keys, clock, report, process: core.processId });
  const store = new RegistryStore({
    redis,
    keys,
    clock,
    installation,
    policy: settings.connectionPolicy,
    mailboxTtlMs: settings.mailboxTtlMs,
    maxTokenAgeMs: settings.maxTokenAgeMs,
  });
  const releases = new Releases({
    redis,
    keys,
    store,
    clock,
    report,
    hasUser: (userId) => table.hasUser(userId),
    ordered: redis instanceof Redis,
  });
  const pendingReplacements = new PendingReplacements({
    bus,
    failureDetector,
    clock,
    clusterTime,
    timeoutMs: settings.replaceTimeoutMs,
  });
  const claims = new Claims({
    store,
    lease,
    failureDetector,
    pendingReplacements,
    releases,
    clock,
    clusterTime,
    report,
  });
  const reconcileParts: ReconcileParts = {
    store,
    claims,
    releases,
    report,
    duplicates,
    lease: () => lease.id,
    holders: () => [...table.all()].filter((one) => one.established),
    hasConnection: (conn) => table.get(conn) !== undefined,
    isAway: (userId) => shards.isAway(keys.conn(userId)),
    onMailbox: calls.onMailbox,
  };
  const reconciler = new Reconciler(reconcileParts);
  const recovery = new Recovery({
    lease,
    shards,
    bus,
    failureDetector,
    clock,
    logger,
    report,
    onNewLease: () => {
      releases.useLease(lease.id);
      claims.onNewLease();
      calls.endUnestablished(CLOSE.LEASE_LOST);
    },
    reconcile: async () => {
      await reconciler.all();
      await core.unregistered.reconcile();
    },
    catchUp: calls.catchUp,
    onStateChange: (recoveryState) => {
      counts.recoveryState(recoveryState);
      calls.onStateChange(recoveryState);
      if (recoveryState === 'interrupted') calls.endUnestablished(CLOSE.UNAVAILABLE);
    },
  });
  // A broken link may have lost both commands and messages (C12).
  onLinkBroken(redis, (shard) => {
    // A shard that is away is already reported, and causes an interruption when it comes back.
    if (!shards.away().includes(shard)) recovery.interrupt('the command connection closed');
  });
  core.running.add('the sweep', () => sweep.fault());
  core.running.add('housekeeping', () => housekeeping.fault());
  /** The balancer's other nodes, by their own reports. */
  const peers = (): PeersView => {
    const others = failureDetector.live().filter((id) => id !== lease.id && cards.of(id)?.group !== core.group);
    // A node of a version without cards is always in the balancer.
    return { others: others.length, fit: others.filter((id) => cards.of(id)?.fit !== false).length };
  };
  core.notices.add(() =>
    shards.away().map((shard) => {
      const name = shard === '' ? 'Redis' : `the Redis shard ${shard}`;
      return { text: `redis: ${name} does not answer; nothing is delivered to its users`, penalty: PENALTY.unhealthy };
    }),
  );
  const isServing = (): boolean => recovery.mayDeliver();
  const sweep = new Sweep({ ...reconcileParts, clock, intervalMs: settings.sweepIntervalMs, isServing }, reconciler);
  const housekeeping = new Housekeeping({ redis, keys, clock, failureDetector, store, report, isServing });
  return {
    ...core,
    failureDetector,
    cards,
    oldBuildWatch,
    nodeProcesses,
    differences,
    peers,
    bus,
    duplicates,
    evictions,
    watchdog,
    lease,
    commands,
    store,
    releases,
    pendingReplacements,
    claims,
    reconciler,
    recovery,
    shards,
    isServing,
    sweep,
    housekeeping,
  };
}
