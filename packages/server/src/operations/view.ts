import type { Bus } from '../bus/bus.js';
import type { Commands } from '../bus/commands.js';
import type { Clock } from '../clock.js';
import type { Backpressure } from '../edge/backpressure.js';
import type { Sockets } from '../edge/sockets.js';
import type { ConnectionTable } from '../edge/table.js';
import type { EphemeralSender } from '../events/ephemeral.js';
import type { EventQueues } from '../events/queue.js';
import type { TypeRates } from '../events/typeRates.js';
import type { Fanout } from '../fanout/flush.js';
import type { NodeCounts } from '../observability/counts.js';
import type { ErrorLog } from '../observability/errorLog.js';
import type { Report } from '../observability/logger.js';
import type { RedisClient } from '../redis/connect.js';
import type { Displacements } from '../registry/displacement.js';
import type { Evictions } from '../registry/evictions.js';
import type { Judge } from '../registry/judge.js';
import type { Lease } from '../registry/lease.js';
import type { Recovery } from '../registry/recovery.js';
import type { Releases } from '../registry/releases.js';
import type { RegistryStore } from '../registry/store.js';
import type { Settings } from '../settings.js';

/** The parts of a node that the reports (statistics, health, errors, metrics) read. Nothing is changed through it. */
export interface NodeView {
  readonly settings: Settings;
  readonly clock: Clock;
  readonly report: Report;
  readonly redis: RedisClient;
  readonly subscriber: RedisClient;
  readonly bus: Bus;
  readonly commands: Commands;
  readonly store: RegistryStore;
  readonly lease: Lease;
  readonly judge: Judge;
  readonly recovery: Recovery;
  readonly releases: Releases;
  readonly displacements: Displacements;
  readonly evictions: Evictions;
  readonly table: ConnectionTable;
  readonly sockets: Sockets;
  readonly backpressure: Backpressure;
  readonly fanout: Fanout;
  readonly queues: EventQueues;
  readonly ephemeral: EphemeralSender;
  readonly typeRates: TypeRates;
  readonly counts: NodeCounts;
  readonly errorLog: ErrorLog;
  /** What went to `report`, by place. */
  readonly reported: ReadonlyMap<string, number>;
  readonly isDraining: () => boolean;
}
