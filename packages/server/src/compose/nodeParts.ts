import type { Server } from 'node:http';
import type { DestinationStream } from 'pino';
import type { CatalogueReloads } from '../admin/events/catalogueReloads.js';
import type { QueueAdmin } from '../admin/queue/queueAdmin.js';
import type { Reports } from '../admin/reports/reports.js';
import type { RolloutNotices } from '../admin/rollout/rolloutNotices.js';
import type { Rollouts } from '../admin/rollout/rollouts.js';
import type { Bus } from '../bus/bus.js';
import type { Watchdog } from '../bus/watchdog.js';
import type { Backpressure } from '../connections/lifecycle/backpressure.js';
import type { Liveness } from '../connections/lifecycle/liveness.js';
import type { Sockets } from '../connections/lifecycle/sockets.js';
import type { Fanout } from '../delivery/fanout.js';
import type { Follower } from '../delivery/follower.js';
import type { UserScope } from '../delivery/user/userScope.js';
import type { Catalogues } from '../events/catalogue/catalogues.js';
import type { EventQueues } from '../events/queue/eventQueues.js';
import type { QueueHome } from '../events/queue/queueHome.js';
import type { LegacyEndpoints } from '../legacy/connections/legacyEndpoints.js';
import type { Notices } from '../observability/health/notices.js';
import type { RunningParts } from '../observability/health/runningParts.js';
import type { Logger, Report } from '../observability/log/logger.js';
import type { SecurityLog } from '../observability/log/securityLog.js';
import type { Answers, Siblings } from '../processGroup.js';
import type { RedisClient } from '../redis/connect.js';
import type { Keys } from '../redis/keys.js';
import type { RedisInspector } from '../redis/redisInspector.js';
import type { Displacements } from '../registry/claim/displacements.js';
import type { Releases } from '../registry/claim/releases.js';
import type { Differences } from '../registry/nodes/differences.js';
import type { Lease } from '../registry/nodes/lease.js';
import type { NodeCards } from '../registry/nodes/nodeCards.js';
import type { OldPresence } from '../registry/nodes/oldPresence.js';
import type { Housekeeping } from '../registry/recovery/housekeeping.js';
import type { Sweep } from '../registry/recovery/reconciler.js';
import type { Recovery } from '../registry/recovery/recovery.js';
import type { ClockWatch } from '../registry/time/clockWatch.js';
import type { Clock } from '../util/clock.js';

/** Everything that a running node consists of, as `start` and `stop` need it. */
export interface NodeParts {
  readonly logger: Logger;
  readonly report: Report;
  readonly security: SecurityLog;
  readonly keys: Keys;
  readonly inspector: RedisInspector;
  readonly redis: RedisClient;
  readonly subscriber: RedisClient;
  readonly bus: Bus;
  readonly watchdog: Watchdog;
  readonly lease: Lease;
  readonly cards: NodeCards;
  readonly differences: Differences;
  readonly oldPresence: OldPresence;
  readonly catalogues: Catalogues;
  readonly running: RunningParts;
  readonly notices: Notices;
  readonly recovery: Recovery;
  readonly releases: Releases;
  readonly displacements: Displacements;
  readonly sweep: Sweep;
  readonly housekeeping: Housekeeping;
  readonly clockWatch: ClockWatch;
  readonly queues: EventQueues;
  readonly queueHome: QueueHome;
  readonly fanout: Fanout;
  readonly follower: Follower;
  readonly userScope: UserScope;
  readonly liveness: Liveness;
  readonly backpressure: Backpressure;
  readonly sockets: Sockets;
  readonly reports: Reports;
  readonly queueAdmin: QueueAdmin;
  readonly server: Server;
  readonly catalogueReloads: CatalogueReloads;
  readonly rollouts: Rollouts;
  readonly rolloutNotices: RolloutNotices;
  readonly legacy: LegacyEndpoints;
}

export interface ComposeOptions {
  readonly clock: Clock;
  readonly random: () => number;
  readonly siblings: ((answers: Answers) => Siblings) | null;
  readonly isDraining: () => boolean;
  /** A legacy connection is sent a `ping` when it was silent for so long, ms. */
  readonly legacyIdleMs: number;
  /** Where the log goes; null: to standard output. */
  readonly logTo: DestinationStream | null;
  /** What may differ between nodes while a deploy rolls is told when it has lasted so long, ms. */
  readonly differencesToldMs: number;
  /** Begins to drain the node, or goes on; the connections that are open. */
  readonly drain: () => number;
}
