import type { Bus } from '../bus/bus.js';
import type { Commands } from '../bus/commands.js';
import type { Clock } from '../clock.js';
import type { Backpressure } from '../edge/backpressure.js';
import type { Connection } from '../edge/connection.js';
import type { Sockets } from '../edge/sockets.js';
import type { ConnectionTable } from '../edge/table.js';
import type { EventCatalogue } from '../events/catalogue.js';
import type { EphemeralSender } from '../events/ephemeral.js';
import type { Mailboxes } from '../events/mailbox.js';
import type { EventQueues } from '../events/queue.js';
import type { TypeRates } from '../events/typeRates.js';
import type { Acks } from '../fanout/acks.js';
import type { Compression } from '../fanout/compression.js';
import type { Fanout } from '../fanout/flush.js';
import type { UserScope } from '../fanout/userScope.js';
import type { NodeCounts } from '../observability/counts.js';
import type { ErrorLog } from '../observability/errorLog.js';
import type { PeersView } from '../observability/health.js';
import type { Report } from '../observability/logger.js';
import type { Notices } from '../observability/notices.js';
import type { RunningParts } from '../observability/runningParts.js';
import type { Tally } from '../observability/tally.js';
import type { RedisClient } from '../redis/connect.js';
import type { Installation } from '../redis/installation.js';
import type { Keys } from '../redis/keys.js';
import type { ClockWatch } from '../registry/clockWatch.js';
import type { ClusterTime } from '../registry/clusterTime.js';
import type { Displacements } from '../registry/displacement.js';
import type { Duplicates } from '../registry/duplicates.js';
import type { Evictions } from '../registry/evictions.js';
import type { Judge } from '../registry/judge.js';
import type { Lease } from '../registry/lease.js';
import type { Recovery } from '../registry/recovery.js';
import type { Releases } from '../registry/releases.js';
import type { Roster } from '../registry/roster.js';
import type { RegistryStore } from '../registry/store.js';
import type { Settings } from '../settings.js';
import type { Rollouts } from './rollout.js';
import type { RolloutNotices } from './rolloutNotices.js';

/** The legacy connections of a node, as far as its statistics tell of them. */
export interface LegacyView {
  readonly table: {
    readonly size: number;
    all(): Iterable<Connection>;
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
  readonly displacements: Displacements;
  readonly duplicates: Duplicates;
  readonly evictions: Evictions;
  readonly table: ConnectionTable;
  readonly sockets: Sockets;
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
