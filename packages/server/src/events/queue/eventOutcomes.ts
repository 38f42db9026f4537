import type { Core } from '../../core.js';
import type { RedisClient } from '../../redis/connect.js';
import { LuaScript, type ScriptCall } from '../../redis/luaScript.js';
import { CLOCK_STEP_MS, type Clock } from '../../util/clock.js';
import { jobOfMember } from '../event/eventIds.js';
import { packed, shortId, unpackAll, WHOLE_IDS, type WholeIds } from '../event/rememberedId.js';
import {
  type EndedEvent,
  type EndedEvents,
  type EventEnd,
  type EventRecord,
  positionsText,
  readRecord,
  recordText,
} from './eventRecord.js';
import { SHARED_JOB } from './jobBatcher.js';

/** What became of an event: `job:<id>` names the shared job that it waits in. */
export type EventOutcome = EventEnd | `job:${string}`;

/** What is noted under the id of an event. */
export interface OutcomeNote {
  readonly outcome: EventOutcome;
  /** The entry of the stream that holds the event's record; null: none does. */
  readonly entryId: string | null;
}

export interface EventOutcomesParts {
  readonly redis: RedisClient;
  /** The key of a bucket of one queue (`Keys.outcomes`), and of one that the build before this one reads (`Keys.oldOutcomes`). */
  readonly key: (bucket: number) => string;
  readonly oldKey: (bucket: number) => string;
  /** The stream of records of the queue (`Keys.recent`). */
  readonly recentKey: string;
  readonly clock: Pick<Clock, 'now'>;
  readonly report: Core['report'];
  /** IDEMPOTENCY_WINDOW_MS: outcomes are told for so long at least. */
  readonly windowMs: number;
  /** Default: the build before this one is not looked after. */
  readonly wholeIds?: () => WholeIds;
}

export const recordOutcomes = LuaScript.load('recordOutcomes', new URL('./lua/recordOutcomes.lua', import.meta.url));

/** One entry of the stream of records. */
export interface RecordedEntry {
  readonly id: string;
  /** In the order in which the events ended. */
  readonly records: readonly EventRecord[];
}

/** A window is spread over so many buckets less one, of which the newest is being filled. */
const BUCKETS = 4;
/** Of the build before this one. */
const OLD_BUCKET_MS = 5 * 60 * 1000;
/** Of one call: with some 60,000 at once the call itself fails, and all publishers of that moment were told that nothing was queued. */
const MAX_EVENTS = 1000;

/** From the record of a broadcast until its note; and of one extension of the stream's life until the next. */
const NOTE_AFTER_MS = 100;
const RENEW_MS = 60_000;

const LETTERS = { appended: 'a', failed: 'f', expired: 'e' } as const;
const NAMES = 'j';
/** Of the id of a shared job, after SHARED_JOB. */
const JOB_LENGTH = 22;
/** Of the longest note: that of a job. The id of an entry has 13 digits, a dash, and at most seven more. */
const LENGTH = NAMES.length + JOB_LENGTH;
/** After the letter of an outcome. No short id has a dot, so what follows a note without an entry is none. */
const ENTRY = /^.(\d+-\d+)\./;

/**
 * Remembers for a while what became of events of one queue: a record of each, in a stream, and a note under its id. Events whose ids were made with their job's are noted as one, when they
 * fared alike.
 */
export class EventOutcomes {
  private readonly parts: EventOutcomesParts;
  /** By short ids to be: what is to be noted. */
  private unnoted = new Map<string, string>();
  private noting: NodeJS.Timeout | null = null;
  /** When the life of the stream was last extended, ms. */
  private renewedAt = Number.NEGATIVE_INFINITY;

  constructor(parts: EventOutcomesParts) {
    this.parts = parts;
  }

  /**
   * What `recordOutcomes.lua` is to be run with, where it is part of together.lua, which puts the positions in. Its answer is for
   * `recorded`. For at most 1,000 events.
   */
  call(ended: readonly EndedEvents[]): ScriptCall {
    const someExpired = ended.some(({ events }) => events.some(({ end }) => end !== 'appended'));
    const outcomes = outcomesOf(ended, (event) => !isLogged(event));
    return {
      keys: this.keys(),
      args: [...this.limits(recordText(ended), someExpired ? '0' : ''), ...notesOf(outcomes).flat()],
    };
  }

  /**
   * The same was recorded in one step with the append. The log knows the ids of broadcasts: where their record is found is noted a
   * little later, with that of others, because each call takes Redis a fifth of the time of an append.
   *
   * @param entry id of the record, followed by a dot; or ''.
   */
  recorded(ended: readonly EndedEvents[], entry: string): void {
    const { report } = this.parts;
    this.recordForOld(outcomesOf(ended)).catch((error: unknown) => report(error, 'events.outcomes'));
    if (entry === '') return;
    for (const [id, outcome] of byJob(outcomesOf(ended, isLogged))) this.unnoted.set(id, textOf(outcome) + entry);
    if (this.unnoted.size === 0) return;
    if (this.unnoted.size >= MAX_EVENTS) this.noteNow();
    else this.noting ??= setTimeout(() => this.noteNow(), NOTE_AFTER_MS);
  }

  /** Notes what waits for that, or with `force` leaves it. */
  async close(force: boolean): Promise<void> {
    if (force && this.noting !== null) clearTimeout(this.noting);
    if (!force) await this.noteNow();
  }

  /**
   * Records how events ended. One that had been appended before is left out if it has its record.
   *
   * @throws whatever the connection says.
   */
  async recordEnds(ended: readonly EndedEvents[]): Promise<void> {
    const outcomes = outcomesOf(ended);
    const left = await this.withoutRecorded(ended);
    const recorded = outcomesOf(left);
    const steps: Promise<unknown>[] = [];
    for (const part of partsOf(left)) {
      const args = [...this.limits(recordText(part), positionsText(part)), ...notesOf(outcomesOf(part)).flat()];
      steps.push(recordOutcomes.run(this.parts.redis, this.keys(), args));
    }
    const others = new Map([...outcomes].filter(([id]) => !recorded.has(id)));
    await Promise.all([...steps, this.record(others), this.recordForOld(recorded)]);
  }

  private async noteNow(): Promise<void> {
    if (this.noting !== null) clearTimeout(this.noting);
    this.noting = null;
    const notes = [...this.unnoted].map(([id, text]) => [shortId(id), text] as const);
    this.unnoted = new Map();
    try {
      await this.note(notes);
    } catch (error) {
      // Who asks for one of them is told a little less.
      this.parts.report(error, 'events.outcomes');
    }
  }

  private async note(notes: readonly (readonly [id: string, text: string])[]): Promise<void> {
    const steps: Promise<unknown>[] = [];
    for (let at = 0; at < notes.length; at += MAX_EVENTS) {
      const args = [...this.limits('', ''), ...notes.slice(at, at + MAX_EVENTS).flat()];
      steps.push(recordOutcomes.run(this.parts.redis, this.keys(), args));
    }
    await Promise.all(steps);
  }

  /** @throws whatever the connection says. */
  async record(outcomes: ReadonlyMap<string, EventOutcome>): Promise<void> {
    await Promise.all([this.note(notesOf(outcomes)), this.recordForOld(outcomes)]);
  }

  /** The newest that is known of an event, and its record; null: nothing, or none. */
  async ended(
    eventId: string,
  ): Promise<{ readonly outcome: EventOutcome | null; readonly record: EventRecord | null }> {
    let repeat: EventRecord | null = null;
    let newest: EventOutcome | null = null;
    for (const { outcome, entryId } of await this.find(eventId)) {
      if (entryId === null) {
        newest ??= outcome;
        continue;
      }
      const rows = await this.parts.redis.xrange(this.parts.recentKey, entryId, entryId);
      const found = rows.flatMap(readEntry).find(({ id }) => id === eventId);
      // A note for all events of a job is not about ids that the job did not have.
      if (found === undefined && rows.length > 0) continue;
      newest ??= outcome;
      if (found !== undefined && !isRepeat(found)) return { outcome: newest, record: found };
      repeat ??= found ?? null;
    }
    return { outcome: newest, record: repeat };
  }

  private async find(eventId: string): Promise<readonly OutcomeNote[]> {
    const { redis, key } = this.parts;
    const newest = this.bucket(this.bucketMs());
    const member = jobOfMember(eventId);
    const ids = [packed(eventId), ...(member === null ? [] : [packed(member.jobId)])];
    const fields = ids.map(({ field }) => field);
    const [old, ...buckets] = await Promise.all([
      this.findOld(eventId),
      ...Array.from({ length: BUCKETS }, (_, age) => redis.hmget(key(newest - age), ...fields)),
    ]);
    const texts = ids.flatMap((id, index) => buckets.flatMap((bucket) => unpackAll(bucket[index] ?? null, id, LENGTH)));
    const notes = texts.flatMap((text) => noteOf(text) ?? []);
    return old === null ? notes : [...notes, { outcome: old, entryId: null }];
  }

  /**
   * Entries of the stream of records, the newest first, at most `count`.
   *
   * @param from @param to ids of entries, or ms; `(` before one leaves it out, as in XREVRANGE.
   */
  async recent(to: string, from: string, count: number): Promise<RecordedEntry[]> {
    const rows = await this.parts.redis.xrevrange(this.parts.recentKey, to, from, 'COUNT', count);
    return rows.map((row) => ({ id: row[0], records: readEntry(row) }));
  }

  /** An event may have been appended by a call whose answer was lost: then it has its record, with its positions. */
  private async withoutRecorded(ended: readonly EndedEvents[]): Promise<readonly EndedEvents[]> {
    const repeats = ended.flatMap(({ events }) => events.filter(isRepeatedEnd).map(({ event }) => event.id));
    if (repeats.length === 0) return ended;
    const known = await Promise.all(repeats.map(async (id) => (await this.ended(id)).record !== null));
    const recorded = new Set(repeats.filter((_, index) => known[index]));
    return ended.flatMap((group) => {
      const events = group.events.filter((event) => !(isRepeatedEnd(event) && recorded.has(event.event.id)));
      return events.length === 0 ? [] : [{ ...group, events }];
    });
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

  private keys(): readonly string[] {
    return [this.parts.key(this.bucket(this.bucketMs())), this.parts.recentKey];
  }

  /** The first arguments of `recordOutcomes.lua`. */
  private limits(text: string, positions: string): readonly (string | number)[] {
    // The stream lives by the clock of Redis, which may step.
    const { windowMs, clock } = this.parts;
    const over = Math.max(0, Math.floor(clock.now() - windowMs - CLOCK_STEP_MS));
    const renew = text !== '' && Math.abs(clock.now() - this.renewedAt) >= RENEW_MS;
    if (renew) this.renewedAt = clock.now();
    const life = renew ? windowMs + CLOCK_STEP_MS + 2 * RENEW_MS : '';
    return [BUCKETS * this.bucketMs() + CLOCK_STEP_MS, LENGTH, text, positions, life, over];
  }

  private bucketMs(): number {
    return Math.ceil(this.parts.windowMs / (BUCKETS - 1));
  }

  private bucket(bucketMs: number): number {
    return Math.floor(this.parts.clock.now() / bucketMs);
  }
}

/** Outcomes by the ids of their events, of those that are chosen. */
function outcomesOf(
  ended: readonly EndedEvents[],
  chosen: (event: EndedEvent) => boolean = () => true,
): Map<string, EventEnd> {
  const events = ended.flatMap((group) => group.events).filter(chosen);
  return new Map(events.map(({ event, end }) => [event.id, end]));
}

/** Whether the log remembers the id of the event. */
function isLogged({ event, end }: EndedEvent): boolean {
  return end === 'appended' && event.target_user_ids === undefined;
}

/** Whether the event had been appended before, as its record says. */
export function isRepeat({ end, positions }: EventRecord): boolean {
  return end === 'appended' && positions.length === 0;
}

function isRepeatedEnd({ end, positions }: EndedEvent): boolean {
  return end === 'appended' && positions.length === 0;
}

function readEntry([id, fields]: readonly [id: string, fields: readonly string[]]): EventRecord[] {
  const [text = '[]', positions = ''] = fields[1]?.split('\n') ?? [];
  return readRecord(id, text, positions);
}

/** As many as one call may have. A group of a job never has more. */
function* partsOf(ended: readonly EndedEvents[]): Generator<readonly EndedEvents[]> {
  let part: EndedEvents[] = [];
  let events = 0;
  for (const group of ended) {
    events += group.events.length;
    if (part.length > 0 && events > MAX_EVENTS) {
      yield part;
      part = [];
      events = group.events.length;
    }
    part.push(group);
  }
  if (part.length > 0) yield part;
}

function notesOf(outcomes: ReadonlyMap<string, EventOutcome>): (readonly [id: string, text: string])[] {
  return [...byJob(outcomes)].map(([id, outcome]) => [shortId(id), textOf(outcome)] as const);
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

function noteOf(text: string): OutcomeNote | null {
  if (text.startsWith(NAMES)) return { outcome: `job:${SHARED_JOB}${text.slice(NAMES.length)}`, entryId: null };
  const names = Object.keys(LETTERS) as (keyof typeof LETTERS)[];
  const outcome = names.find((name) => LETTERS[name] === text[0]);
  return outcome === undefined ? null : { outcome, entryId: ENTRY.exec(text)?.[1] ?? null };
}
