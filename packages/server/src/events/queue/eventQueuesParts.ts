import type { Report } from '../../observability/log/logger.js';
import type { RedisClient } from '../../redis/connect.js';
import type { Keys } from '../../redis/keys.js';
import type { Clock } from '../../util/clock.js';
import type { EventIds } from '../event/eventIds.js';
import type { WholeIds } from '../event/rememberedId.js';
import type { Admission } from './admission.js';
import type { ProcessorCounts, ProcessorParts, Retrying } from './jobProcessor.js';
import type { QueueEngine } from './queueEngine.js';
import type { RenewalReason } from './workerWatch.js';

export interface EventQueuesOptions {
  /** EVENT_QUEUE_PARTITIONS. The same on every node (Q7). */
  readonly partitions: number;
  /** EVENT_QUEUE_MAX: jobs waiting, delayed and active, in all queues. A soft bound (Q6). */
  readonly maxJobs: number;
  /** WORKER_STALL_MS. */
  readonly stallMs: number;
}

export interface EventQueuesParts extends Pick<ProcessorParts, 'append' | 'knows' | 'mayAppend'> {
  /** What keeps the jobs. */
  readonly engine: QueueEngine;
  readonly keys: Keys;
  readonly clock: Clock;
  readonly report: Report;
  readonly nodeId: string;
  readonly ids: EventIds;
  /** The log's Redis, whose memory is looked at too. */
  readonly logRedis: RedisClient;
  /** Names the queues' Redis. Default REDIS_URL. */
  readonly setting?: string;
  /** IDEMPOTENCY_WINDOW_MS. */
  readonly idempotencyWindowMs?: number;
  /** As of `FatesParts`. */
  readonly wholeIds?: () => WholeIds;
  /** Makes a connection that is not yet open. The queues open and end it. */
  readonly connect: (role: 'producer' | 'worker') => RedisClient;
}

interface LaneStats extends Readonly<ProcessorCounts> {
  readonly queue: string;
  /** An infrastructure error that this node's worker retries in place; null: none. */
  readonly retrying: Retrying | null;
  /** How long the job next in line was started by nobody, milliseconds; 0: all is well. */
  readonly stalledMs: number;
}

export interface QueueStats {
  /** Whether this node's workers leave the jobs to others, because the node is fenced. */
  readonly standingAside: boolean;
  readonly lanes: readonly LaneStats[];
  /** Workers of this node that were replaced, by reason. */
  readonly renewals: Readonly<Record<RenewalReason, number>>;
  /** Publishes that this node refused for want of room. */
  readonly refused: Readonly<Admission['refused']>;
}
