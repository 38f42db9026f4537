import type { RedisClient } from '../../../redis/connect.js';
import type { Turn } from '../queueEngine.js';

export interface LaneTurnParts {
  readonly redis: RedisClient;
  /** The full name of a key of the queue. */
  readonly key: (name: string) => string;
  /** Writes again what Redis lost with its data. */
  readonly restore: () => Promise<void>;
}

/**
 * One job of a lane at a time (Q4), whatever Redis lost. BullMQ keeps to the limit that it finds in a hash; when that went with the data, each
 * worker takes a job, and their order is that of the fastest append. So a worker looks before each append: the limit is written again
 * first, and only the job that was taken first goes on. The others go back, the last one first, so that they lie in their order again.
 */
export class LaneTurn {
  private readonly parts: LaneTurnParts;

  constructor(parts: LaneTurnParts) {
    this.parts = parts;
  }

  /** @throws whatever the connection says. */
  async of(jobId: string): Promise<Turn> {
    const { redis, key, restore } = this.parts;
    // BullMQ puts what is taken at the left end.
    const [limit, first, last] = await Promise.all([
      redis.hget(key('meta'), 'concurrency'),
      redis.lindex(key('active'), -1),
      redis.lindex(key('active'), 0),
    ]);
    if (limit !== '1') await restore();
    if (first === jobId) return 'now';
    if (last === jobId) return 'back';
    return (await redis.lpos(key('active'), jobId)) === null ? 'gone' : 'later';
  }
}
