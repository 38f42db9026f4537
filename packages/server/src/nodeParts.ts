import type { Server } from 'node:http';
import type { DestinationStream } from 'pino';
import type { Bus } from './bus/bus.js';
import type { Watchdog } from './bus/watchdog.js';
import type { Clock } from './clock.js';
import type { Backpressure } from './edge/backpressure.js';
import type { Liveness } from './edge/liveness.js';
import type { Sockets } from './edge/sockets.js';
import type { Catalogues } from './events/catalogues.js';
import type { EventQueues } from './events/queue.js';
import type { QueueHome } from './events/queueHome.js';
import type { Fanout } from './fanout/flush.js';
import type { Follower } from './fanout/follower.js';
import type { UserScope } from './fanout/userScope.js';
import type { LegacyEndpoints } from './legacy/endpoints.js';
import type { Logger, Report } from './observability/logger.js';
import type { Notices } from './observability/notices.js';
import type { RunningParts } from './observability/runningParts.js';
import type { SecurityLog } from './observability/securityLog.js';
import type { CatalogueReloads } from './operations/catalogue.js';
import type { QueueAdmin } from './operations/queue.js';
import type { Reports } from './operations/reports.js';
import type { Rollouts } from './operations/rollout.js';
import type { RolloutNotices } from './operations/rolloutNotices.js';
import type { Answers, Siblings } from './processes.js';
import type { RedisClient } from './redis/connect.js';
import type { RedisInspector } from './redis/inspector.js';
import type { Keys } from './redis/keys.js';
import type { ClockWatch } from './registry/clockWatch.js';
import type { Differences } from './registry/differences.js';
import type { Displacements } from './registry/displacement.js';
import type { Housekeeping } from './registry/housekeeping.js';
import type { Lease } from './registry/lease.js';
import type { NodeCards } from './registry/nodeCards.js';
import type { OldPresence } from './registry/oldPresence.js';
import type { Sweep } from './registry/reconcile.js';
import type { Recovery } from './registry/recovery.js';
import type { Releases } from './registry/releases.js';

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
