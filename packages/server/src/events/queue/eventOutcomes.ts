import type { RedisClient } from '../../redis/connect.js';
import { LuaScript, type ScriptCall } from '../../redis/luaScript.js';
import { CLOCK_STEP_MS, type Clock } from '../../util/clock.js';
import { jobOfMember } from '../event/eventIds.js';
import { packed, shortId, unpack, WHOLE_IDS, type WholeIds } from '../event/rememberedId.js';
import { SHARED_JOB } from './jobBatcher.js';

/** What became of an event, where its job and the log cannot tell: `job:<id>` names the shared job that it waits in. */
export type EventOutcome = 'appended' | 'failed' | 'expired' | `job:${string}`;

export interface EventOutcomesParts {
  readonly redis: RedisClient;
  /** The key of a bucket of one queue (`Keys.outcomes`), and of one that the build before this one reads (`Keys.oldOutcomes`). */
  readonly key: (bucket: number) => string;
  readonly oldKey: (bucket: number) => string;
  readonly clock: Pick<Clock, 'now'>;
  /** IDEMPOTENCY_WINDOW_MS: outcomes are told for so long at least. */
  readonly windowMs: number;
  /** Default: the build before this one is not looked after. */
  readonly wholeIds?: () => WholeIds;
}

export const recordOutcomes = LuaScript.load('recordOutcomes', new URL('./lua/recordOutcomes.lua', import.meta.url));

/** A window is spread over so many buckets less one, of which the newest is being filled. */
const BUCKETS = 4;
/** Of the build before this one. */
const OLD_BUCKET_MS = 5 * 60 * 1000;
/** Of one call: with some 60,000 at once the call itself fails, and all publishers of that moment were told that nothing was queued. */
const MAX_EVENTS = 1000;

const LETTERS = { appended: 'a', failed: 'f', expired: 'e' } as const;
const NAMES = 'j';
/** Of the id of a shared job, after SHARED_JOB. */
const JOB_LENGTH = 22;

/**
 * Remembers for a while what became of events of one queue. Events whose ids were made with their job's are noted as one, when they
 * fared alike.
 */
export class EventOutcomes {
  private readonly parts: EventOutcomesParts;

  constructor(parts: EventOutcomesParts) {
    this.parts = parts;
  }

  /** What `recordOutcomes.lua` is to be run with, where it is part of another script. For at most 1,000 events. */
  call(outcomes: ReadonlyMap<string, EventOutcome>): ScriptCall {
    const notes = [...byJob(outcomes)].map(([id, outcome]) => [shortId(id), textOf(outcome)]);
    const bucketMs = this.bucketMs();
    return { keys: [this.parts.key(this.bucket(bucketMs))], args: [...limitsOf(bucketMs), ...notes.flat()] };
  }

  /**
   * @param done events whose shared job is over: its name is forgotten.
   * @throws whatever the connection says.
   */
  async record(outcomes: ReadonlyMap<string, EventOutcome>, done: readonly string[] = []): Promise<void> {
    const { redis, key } = this.parts;
    const notes = [...byJob(outcomes)].map(([id, outcome]) => [shortId(id), textOf(outcome)]);
    for (const id of done) if (!outcomes.has(id)) notes.push([shortId(id), '']);
    if (notes.length === 0) return;
    const bucketMs = this.bucketMs();
    const bucket = key(this.bucket(bucketMs));
    const steps: Promise<unknown>[] = [];
    for (let at = 0; at < notes.length; at += MAX_EVENTS) {
      const args = [...limitsOf(bucketMs), ...notes.slice(at, at + MAX_EVENTS).flat()];
      steps.push(recordOutcomes.run(redis, [bucket], args));
    }
    await Promise.all([...steps, this.recordForOld(outcomes)]);
  }

  /** The newest that is known of an event; null: nothing. */
  async find(eventId: string): Promise<EventOutcome | null> {
    const { redis, key } = this.parts;
    const newest = this.bucket(this.bucketMs());
    const member = jobOfMember(eventId);
    const ids = [packed(eventId), ...(member === null ? [] : [packed(member.jobId)])];
    const fields = ids.map(({ field }) => field);
    const [old, ...buckets] = await Promise.all([
      this.findOld(eventId),
      ...Array.from({ length: BUCKETS }, (_, age) => redis.hmget(key(newest - age), ...fields)),
    ]);
    for (const [index, id] of ids.entries()) {
      for (const bucket of buckets) {
        const text = unpack(bucket[index] ?? null, id, NAMES.length + JOB_LENGTH);
        if (text !== null) return outcomeOf(text);
      }
    }
    return old;
  }

  /** For nodes of the build before this one; nothing while there are none. */
  async recordForOld(outcomes: ReadonlyMap<string, EventOutcome>): Promise<void> {
    const { redis, oldKey, wholeIds } = this.parts;
    if (outcomes.size === 0 || wholeIds?.() !== WHOLE_IDS.written) return;
    const bucket = oldKey(this.bucket(OLD_BUCKET_MS));
    const pairs = [...outcomes];
    const steps: Promise<unknown>[] = [];
    for (let at = 0; at < pairs.length; at += MAX_EVENTS) {
      steps.push(redis.hset(bucket, ...pairs.slice(at, at + MAX_EVENTS).flat()));
    }
    await Promise.all([...steps, redis.pexpire(bucket, BUCKETS * OLD_BUCKET_MS + CLOCK_STEP_MS)]);
  }

  private async findOld(eventId: string): Promise<EventOutcome | null> {
    const { redis, oldKey, wholeIds } = this.parts;
    if ((wholeIds?.() ?? WHOLE_IDS.no) === WHOLE_IDS.no) return null;
    const newest = this.bucket(OLD_BUCKET_MS);
    const found = await Promise.all(
      Array.from({ length: BUCKETS }, (_, age) => redis.hget(oldKey(newest - age), eventId)),
    );
    return (found.find((outcome) => outcome !== null) as EventOutcome | undefined) ?? null;
  }

  private bucketMs(): number {
    return Math.ceil(this.parts.windowMs / (BUCKETS - 1));
  }

  private bucket(bucketMs: number): number {
    return Math.floor(this.parts.clock.now() / bucketMs);
  }
}

function limitsOf(bucketMs: number): readonly [lifeMs: number, nameLength: number] {
  return [BUCKETS * bucketMs + CLOCK_STEP_MS, NAMES.length + JOB_LENGTH];
}

/** One note under the job's id for all of its events that fared alike. */
function byJob(outcomes: ReadonlyMap<string, EventOutcome>): Map<string, EventOutcome> {
  const jobs = new Map<string, EventOutcome | null>();
  for (const [id, outcome] of outcomes) {
    const job = jobOfMember(id)?.jobId;
    if (job !== undefined)
      jobs.set(job, (jobs.get(job) ?? outcome) === outcome && jobs.get(job) !== null ? outcome : null);
  }
  const notes = new Map<string, EventOutcome>();
  for (const [id, outcome] of outcomes) {
    const job = jobOfMember(id)?.jobId;
    const alike = job !== undefined && jobs.get(job) === outcome;
    notes.set(alike ? job : id, outcome);
  }
  return notes;
}

function textOf(outcome: EventOutcome): string {
  if (outcome === 'appended' || outcome === 'failed' || outcome === 'expired') return LETTERS[outcome];
  return NAMES + outcome.slice('job:'.length + SHARED_JOB.length);
}

function outcomeOf(text: string): EventOutcome | null {
  if (text.startsWith(NAMES)) return `job:${SHARED_JOB}${text.slice(NAMES.length)}`;
  const names = Object.keys(LETTERS) as (keyof typeof LETTERS)[];
  return names.find((name) => LETTERS[name] === text[0]) ?? null;
}
