import type { NodeStats } from '@unified-ws/protocol';
import type { RoleTable } from '../auth/roleTable.js';
import type { TokenVerifier } from '../auth/tokenVerifier.js';
import type { Bus } from '../bus/bus.js';
import type { Commands } from '../bus/commands.js';
import type { Authority } from '../connections/lifecycle/authority.js';
import type { Backpressure } from '../connections/lifecycle/backpressure.js';
import type { ConnectionTable } from '../connections/lifecycle/connectionTable.js';
import type { SecurityRecords } from '../connections/lifecycle/securityRecords.js';
import type { Sockets } from '../connections/lifecycle/sockets.js';
import type { UnregisteredConnections } from '../connections/lifecycle/unregistered.js';
import type { ClientAddresses } from '../connections/limits/clientAddresses.js';
import type { Core } from '../core.js';
import type { Fanout } from '../delivery/fanout.js';
import type { Compression } from '../delivery/frames/compression.js';
import type { Acks } from '../delivery/user/acks.js';
import type { UserScope } from '../delivery/user/userScope.js';
import type { Catalogues } from '../events/catalogue/catalogues.js';
import type { EventCatalogue } from '../events/catalogue/eventCatalogue.js';
import type { Mailboxes } from '../events/mailbox/mailboxes.js';
import type { EphemeralSender } from '../events/publish/ephemeralSender.js';
import type { EventStatuses } from '../events/publish/eventStatuses.js';
import type { Publisher } from '../events/publish/publisher.js';
import type { TypeRates } from '../events/publish/typeRates.js';
import type { EventQueues } from '../events/queue/eventQueues.js';
import type { Notices } from '../observability/health/notices.js';
import type { PeersView } from '../observability/health/readiness.js';
import type { RunningParts } from '../observability/health/runningParts.js';
import type { ErrorLog } from '../observability/log/errorLog.js';
import type { Durations } from '../observability/metrics/durations.js';
import type { MetricList } from '../observability/metrics/metric.js';
import type { NodeCounts } from '../observability/metrics/nodeCounts.js';
import type { RedisClient } from '../redis/connect.js';
import type { Duplicates } from '../registry/claim/duplicates.js';
import type { Evictions } from '../registry/claim/evictions.js';
import type { PendingReplacements } from '../registry/claim/pendingReplacements.js';
import type { Releases } from '../registry/claim/releases.js';
import type { FailureDetector } from '../registry/nodes/failureDetector.js';
import type { Lease } from '../registry/nodes/lease.js';
import type { NodeProcesses } from '../registry/nodes/nodeProcesses.js';
import type { Reconciler } from '../registry/recovery/reconciler.js';
import type { Recovery } from '../registry/recovery/recovery.js';
import type { RegistryStore } from '../registry/store/registryStore.js';
import type { ClockWatch } from '../registry/time/clockWatch.js';
import type { ClusterTime } from '../registry/time/clusterTime.js';
import type { Audit } from './audit/audit.js';

/**
 * The parts of a node that orders, reports, routes and messages use, by the names that the composers give them. Each class, or function
 * that makes handlers, takes what it needs: `Pick<NodeParts, 'store' | 'clock'>`.
 */
export interface NodeParts extends Core {
  readonly clusterTime: Pick<ClusterTime, 'offsetMs'>;
  readonly clockWatch: Pick<ClockWatch, 'redis'>;
  readonly notices: Notices;
  readonly running: RunningParts;
  readonly counts: NodeCounts;
  readonly durations: Durations;
  readonly errorLog: ErrorLog;
  /** Number of errors passed to `report`, by place. */
  readonly reported: ReadonlyMap<string, number>;
  /** Log lines that standard output did not take, by destination. */
  readonly logLines: Readonly<Record<string, number>>;
  readonly securityRecords: SecurityRecords;
  /** LOG_ADDRESSES: a client's address as the log may show it. */
  readonly shownAddress: (ip: string) => string | undefined;
  readonly addresses: ClientAddresses;
  readonly audit: Audit;
  readonly isDraining: () => boolean;
  /** Starts or continues the drain of this node; returns the number of open connections. */
  readonly drain: () => number;
  readonly subscriber: RedisClient;
  readonly bus: Bus;
  readonly commands: Commands;
  /** Id of this process; several processes may share a NODE_ID. */
  readonly processId: string;
  readonly lease: Lease;
  readonly failureDetector: FailureDetector;
  readonly nodeProcesses: NodeProcesses;
  readonly peers: () => PeersView;
  readonly store: RegistryStore;
  readonly recovery: Recovery;
  readonly reconciler: Reconciler;
  readonly releases: Releases;
  readonly pendingReplacements: PendingReplacements;
  readonly duplicates: Duplicates;
  readonly evictions: Evictions;
  readonly catalogues: Catalogues;
  readonly catalogue: () => EventCatalogue;
  readonly roles: () => RoleTable;
  readonly publisher: Publisher;
  readonly queues: EventQueues;
  readonly eventStatuses: EventStatuses;
  readonly typeRates: TypeRates;
  readonly ephemeral: EphemeralSender;
  readonly mailboxes: Mailboxes;
  readonly fanout: Fanout;
  readonly userScope: UserScope;
  readonly acks: Acks;
  readonly compression: Compression;
  readonly verifier: TokenVerifier;
  readonly table: ConnectionTable;
  readonly sockets: Sockets;
  readonly unregistered: UnregisteredConnections;
  readonly authority: Authority;
  readonly backpressure: Backpressure;
  /** Sections of the node's statistics, and metrics, of extensions. */
  readonly moreStats: readonly (() => Partial<NodeStats>)[];
  readonly moreMetrics: readonly MetricList<unknown>[];
}
