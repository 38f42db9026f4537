import { CLOCK_STEP_MS, type Clock } from '../clock.js';
import type { RedisClient } from '../redis/connect.js';

/** What became of an event, where its job and the log cannot tell: `job:<id>` names the shared job that it waits in. */
export type Fate = 'appended' | 'failed' | 'expired' | `job:${string}`;

export interface FatesParts {
  readonly redis: RedisClient;
  /** The key of a bucket of one queue (`Keys.fates`). */
  readonly key: (bucket: number) => string;
  readonly clock: Pick<Clock, 'now'>;
}

/** Fates are told for 15 minutes at least: they lie in buckets of five, of which the newest four are read. */
const BUCKET_MS = 5 * 60 * 1000;
const BUCKETS = 4;
/** Of one HSET: with some 60,000 at once the call itself fails, and all publishers of that moment were told that nothing was queued. */
const MAX_FIELDS = 1000;
const TTL_S = (BUCKETS * BUCKET_MS + CLOCK_STEP_MS) / 1000;

/** Remembers for a while what became of events of one queue. A job's events cost one HSET. */
export class Fates {
  private readonly parts: FatesParts;

  constructor(parts: FatesParts) {
    this.parts = parts;
  }

  /** @throws whatever the connection says. */
  async record(fates: ReadonlyMap<string, Fate>): Promise<void> {
    if (fates.size === 0) return;
    const { redis, key } = this.parts;
    const bucket = key(this.bucket());
    const pairs = [...fates];
    const steps: Promise<unknown>[] = [];
    for (let at = 0; at < pairs.length; at += MAX_FIELDS) {
      steps.push(redis.hset(bucket, ...pairs.slice(at, at + MAX_FIELDS).flat()));
    }
    await Promise.all([...steps, redis.expire(bucket, TTL_S)]);
  }

  /** The newest that is known of an event; null: nothing. */
  async find(eventId: string): Promise<Fate | null> {
    const { redis, key } = this.parts;
    const newest = this.bucket();
    const found = await Promise.all(
      Array.from({ length: BUCKETS }, (_, age) => redis.hget(key(newest - age), eventId)),
    );
    return (found.find((fate) => fate !== null) as Fate | undefined) ?? null;
  }

  private bucket(): number {
    return Math.floor(this.parts.clock.now() / BUCKET_MS);
  }
}
