import type { QueueSetup, Turn } from '../queueEngine.js';

/**
 * One job of a lane at a time (Q4), whatever Redis lost. BullMQ keeps to the limit that it finds in a hash; when that went with the data, each
 * worker takes a job, and their order is that of the fastest append. So a worker looks before each append: the limit is written again
 * first, and only the job that was taken first goes on. The others go back, the last one first, so that they lie in their order again.
 */
export class LaneTurn {
  private readonly setup: Pick<QueueSetup, 'producer' | 'restore'>;
  private readonly key: (name: string) => string;

  /** @param key the full name of a key of the queue. */
  constructor(setup: Pick<QueueSetup, 'producer' | 'restore'>, key: (name: string) => string) {
    this.setup = setup;
    this.key = key;
  }

  /** @throws whatever the connection says. */
  async of(jobId: string): Promise<Turn> {
    const { producer, restore } = this.setup;
    // BullMQ puts what is taken at the left end.
    const [limit, first, last] = await Promise.all([
      producer.hget(this.key('meta'), 'concurrency'),
      producer.lindex(this.key('active'), -1),
      producer.lindex(this.key('active'), 0),
    ]);
    if (limit !== '1') await restore();
    if (first === jobId) return 'now';
    if (last === jobId) return 'back';
    return (await producer.lpos(this.key('active'), jobId)) === null ? 'gone' : 'later';
  }
}
