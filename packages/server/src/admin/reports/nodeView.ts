import type { Bus } from '../../bus/bus.js';
import type { Commands } from '../../bus/commands.js';
import type { Backpressure } from '../../connections/lifecycle/backpressure.js';
import type { ConnectionTable } from '../../connections/lifecycle/connectionTable.js';
import type { Sockets } from '../../connections/lifecycle/sockets.js';
import type { UnregisteredConnections } from '../../connections/lifecycle/unregistered.js';
import type { Fanout } from '../../delivery/fanout.js';
import type { Compression } from '../../delivery/frames/compression.js';
import type { Acks } from '../../delivery/user/acks.js';
import type { UserScope } from '../../delivery/user/userScope.js';
import type { EventCatalogue } from '../../events/catalogue/eventCatalogue.js';
import type { Mailboxes } from '../../events/mailbox/mailboxes.js';
import type { EphemeralSender } from '../../events/publish/ephemeralSender.js';
import type { TypeRates } from '../../events/publish/typeRates.js';
import type { EventQueues } from '../../events/queue/eventQueues.js';
import type { Notices } from '../../observability/health/notices.js';
import type { PeersView } from '../../observability/health/readiness.js';
import type { RunningParts } from '../../observability/health/runningParts.js';
import type { ErrorLog } from '../../observability/log/errorLog.js';
import type { Report } from '../../observability/log/logger.js';
import type { NodeCounts } from '../../observability/metrics/nodeCounts.js';
import type { RedisClient } from '../../redis/connect.js';
import type { Installation } from '../../redis/installation.js';
import type { Keys } from '../../redis/keys.js';
import type { Duplicates } from '../../registry/claim/duplicates.js';
import type { Evictions } from '../../registry/claim/evictions.js';
import type { PendingReplacements } from '../../registry/claim/pendingReplacements.js';
import type { Releases } from '../../registry/claim/releases.js';
import type { Judge } from '../../registry/nodes/judge.js';
import type { Lease } from '../../registry/nodes/lease.js';
import type { Roster } from '../../registry/nodes/roster.js';
import type { Recovery } from '../../registry/recovery/recovery.js';
import type { RegistryStore } from '../../registry/store/registryStore.js';
import type { ClockWatch } from '../../registry/time/clockWatch.js';
import type { ClusterTime } from '../../registry/time/clusterTime.js';
import type { Settings } from '../../settings/settings.js';
import type { Clock } from '../../util/clock.js';
import type { Tally } from '../../util/tally.js';
import type { RolloutNotices } from '../rollout/rolloutNotices.js';
import type { Rollouts } from '../rollout/rollouts.js';

/** The legacy connections of a node, as far as its statistics tell of them. */
interface LegacyView {
  readonly table: {
    readonly size: number;
    countByGroup(): Readonly<Record<string, number>>;
  };
  readonly counts: {
    readonly upgrades: Tally;
    readonly established: Tally;
    readonly messages: Tally;
    readonly notices: Tally;
    readonly replaced: number;
  };
}

/** The parts of a node that the reports (statistics, health, errors, metrics) read. Nothing is changed through it. */
export interface NodeView {
  readonly settings: Settings;
  readonly clock: Clock;
  readonly clusterTime: Pick<ClusterTime, 'offsetMs'>;
  readonly clockWatch: Pick<ClockWatch, 'redis'>;
  readonly report: Report;
  readonly notices: Notices;
  readonly running: RunningParts;
  readonly peers: () => PeersView;
  readonly redis: RedisClient;
  readonly keys: Keys;
  readonly installation: Installation;
  readonly subscriber: RedisClient;
  readonly bus: Bus;
  readonly commands: Commands;
  readonly store: RegistryStore;
  readonly lease: Lease;
  readonly judge: Judge;
  readonly roster: Roster;
  readonly processId: string;
  readonly recovery: Recovery;
  readonly releases: Releases;
  readonly pendingReplacements: PendingReplacements;
  readonly duplicates: Duplicates;
  readonly evictions: Evictions;
  readonly table: ConnectionTable;
  readonly sockets: Sockets;
  readonly unregistered: UnregisteredConnections;
  readonly legacy: LegacyView;
  readonly backpressure: Backpressure;
  readonly fanout: Fanout;
  readonly mailboxes: Mailboxes;
  readonly userScope: UserScope;
  readonly acks: Acks;
  readonly queues: EventQueues;
  readonly catalogue: () => EventCatalogue;
  readonly ephemeral: EphemeralSender;
  readonly compression: Compression;
  readonly typeRates: TypeRates;
  readonly counts: NodeCounts;
  readonly errorLog: ErrorLog;
  /** What went to `report`, by place. */
  readonly reported: ReadonlyMap<string, number>;
  /** Log lines that standard output did not take, by where they went. */
  readonly logLines: Readonly<Record<string, number>>;
  readonly isDraining: () => boolean;
  readonly rollouts: Rollouts;
  readonly rolloutNotices: RolloutNotices;
}
