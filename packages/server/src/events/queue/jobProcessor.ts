import { setTimeout as sleep } from 'node:timers/promises';
import type { Core } from '../../core.js';
import { bytesOf, isUserId, jsonBytesAtMost, MAX_EVENT_BYTES, type StoredEvent } from '../event/storedEvent.js';
import type { AppendResult } from '../log/broadcastLog.js';
import type { EventOutcomes } from './eventOutcomes.js';
import type { EndedEvent } from './eventRecord.js';
import { type ActiveJob, type JobData, JobFailed, JobLeft } from './queueEngine.js';

export interface ProcessorParts extends Pick<Core, 'clock' | 'report'> {
  readonly append: (events: readonly StoredEvent[]) => Promise<AppendResult>;
  /** Whether the catalogue has the type. */
  readonly knows: (type: string) => boolean;
  /** False while this node is fenced: then its workers append nothing (L2). */
  readonly mayAppend: () => boolean;
  /** Adds a job of its own for an event that cannot be appended, to the same queue. */
  readonly splitOff: (event: StoredEvent, from: JobData) => Promise<void>;
  /** Where is recorded how events end. */
  readonly outcomes: Pick<EventOutcomes, 'record' | 'recordEnds'>;
}

/** An infrastructure error that is being retried in place. */
export interface Retrying {
  /** Wall-clock ms of the first failure. */
  readonly since: number;
  readonly attempts: number;
  readonly error: string;
}

const NOTHING: Pick<AppendResult, 'offsets' | 'positions'> = { offsets: [], positions: [] };
const RETRY_FIRST_MS = 250;
const RETRY_MAX_MS = 5000;
const FENCE_POLL_MS = 25;

/** Works on the jobs of one queue, one at a time. */
export class JobProcessor {
  readonly counts = {
    appended: 0,
    /** Events whose id had been appended before. */
    duplicates: 0,
    /** Events dropped because `expires_at` was over. */
    expired: 0,
    /** Events that can never be appended; they lie in the failed set. */
    poisoned: 0,
  };
  retrying: Retrying | null = null;
  private readonly parts: ProcessorParts;
  /** Aborted while this worker is to let go of its job: it stands aside for a fenced node, or it closes. */
  private aside = new AbortController();
  private readonly abandoned = new AbortController();

  constructor(parts: ProcessorParts) {
    this.parts = parts;
  }

  /** Jobs that wait (for the fence, or to be retried) go back to the head of their queue, for another node to take. */
  standAside(): void {
    this.aside.abort();
  }

  standReady(): void {
    if (this.aside.signal.aborted) this.aside = new AbortController();
  }

  /** Ends the job in work without waiting for its append: the lock lapses, and another worker repeats it (L2). */
  abandon(): void {
    this.abandoned.abort();
  }

  /**
   * Appends the events of a job. Returns when they are in the log.
   *
   * @throws JobFailed when the job holds nothing that could be appended (Q2); nothing was appended then.
   * @throws JobLeft when the job was given back, or its lock lost.
   */
  async process(job: ActiveJob): Promise<void> {
    const sound = await this.withoutPoison(job);
    const now = this.parts.clock.now();
    const due = sound.filter((event) => !isExpired(event, now));
    const { offsets, positions } = due.length === 0 ? NOTHING : await this.insist(job, () => this.parts.append(due));
    const appended = offsets.filter((offset) => offset > 0).length;
    this.counts.appended += appended;
    this.counts.duplicates += due.length - appended;
    this.counts.expired += sound.length - due.length;
    const places = new Map(due.map((event, index) => [event, index]));
    this.recordEnds(
      job,
      sound.map((event) => {
        const place = places.get(event);
        if (place === undefined) return { event, end: 'expired', positions: [] };
        return { event, end: 'appended', positions: positions[place] ?? [] };
      }),
    );
  }

  /** Without waiting: who asks later is told a little less when this is lost, but no event waits for it. */
  private recordEnds({ data }: ActiveJob, events: readonly EndedEvent[]): void {
    const publisher: unknown = data.publisher;
    const ended = { publisher: typeof publisher === 'string' ? publisher : '', way: 'queued', events } as const;
    this.parts.outcomes.recordEnds([ended]).catch((error: unknown) => this.parts.report(error, 'events.fates'));
  }

  /** Poison is split off before anything is appended, so that the failed job holds it alone. */
  private async withoutPoison(job: ActiveJob): Promise<readonly StoredEvent[]> {
    const data: unknown = job.data;
    const events = isJobData(data) ? data.events : [];
    const faults = events.map((event) => this.fault(event));
    const poisoned = faults.filter((fault) => fault !== null).length;
    if (poisoned === events.length) {
      const reason = events.length === 0 ? 'the job holds no events' : (faults[0] ?? 'unknown');
      this.counts.poisoned += events.length;
      const known = events.filter(isStoredEvent);
      if (known.length > 0)
        this.recordEnds(
          job,
          known.map((event) => ({ event, end: 'failed', positions: [] })),
        );
      this.parts.report(new Error(`job ${job.id}: ${reason}`), 'events.poisoned');
      throw new JobFailed(reason);
    }
    if (poisoned > 0) {
      const failed = events.filter((event, index) => faults[index] !== null && isStoredEvent(event));
      // Their own jobs record them. This is for the time until then.
      const outcomes = new Map(failed.map((event) => [event.id, 'failed'] as const));
      this.parts.outcomes.record(outcomes).catch((error: unknown) => this.parts.report(error, 'events.fates'));
    }
    for (const [index, event] of events.entries()) {
      if (faults[index] === null) continue;
      await this.insist(job, () => this.parts.splitOff(event, job.data));
    }
    return events.filter((_, index) => faults[index] === null);
  }

  /**
   * Why an event can never be appended; null when it can. Publishing checks it all: this is for what came another way.
   */
  private fault(event: unknown): string | null {
    if (!isStoredEvent(event)) return 'the event lacks an id, a type or data';
    const targets: unknown = event.target_user_ids;
    // An id that makes no key would fail every retry of the append.
    if (targets !== undefined && !(Array.isArray(targets) && targets.every(isUserId))) return 'a target is no user id';
    if (!this.parts.knows(event.type)) return `unknown event type ${event.type}`;
    if (jsonBytesAtMost(event) <= MAX_EVENT_BYTES) return null;
    const bytes = bytesOf(event);
    return bytes > MAX_EVENT_BYTES ? `the event has ${bytes} bytes, allowed are ${MAX_EVENT_BYTES}` : null;
  }

  /**
   * Repeats `work` until it succeeds, with the lock kept: failing the job, or delaying it, would break the order (Q2).
   */
  private async insist<T>(job: ActiveJob, work: () => Promise<T>): Promise<T> {
    try {
      for (;;) {
        await this.untilAllowed(job);
        try {
          await this.untilTurn(job);
          return await this.abandonable(work());
        } catch (error) {
          if (error instanceof JobLeft) throw error;
          this.failed(error);
        }
        const { attempts } = this.retrying ?? { attempts: 1 };
        await this.pause(Math.min(RETRY_MAX_MS, RETRY_FIRST_MS * 2 ** (attempts - 1)), job.lock);
      }
    } finally {
      this.retrying = null;
    }
  }

  private async untilAllowed(job: ActiveJob): Promise<void> {
    for (;;) {
      if (job.lock.aborted) throw new JobLeft('the lock was lost');
      if (this.aside.signal.aborted) return this.giveBack(job);
      if (this.parts.mayAppend()) return;
      await this.pause(FENCE_POLL_MS, job.lock);
    }
  }

  private async untilTurn(job: ActiveJob): Promise<void> {
    for (;;) {
      const turn = await this.abandonable(job.turn());
      if (turn === 'now') return;
      if (turn === 'back' || job.lock.aborted || this.aside.signal.aborted) return this.giveBack(job);
      if (turn === 'gone') {
        // Redis lost it, or another worker is to repeat it: appended now it would come after events that were accepted later.
        this.parts.report(new Error(`job ${job.id} is not in work any more, and left alone`), 'events.gone');
        throw new JobLeft('not in work any more');
      }
      await this.pause(FENCE_POLL_MS, job.lock);
    }
  }

  private async giveBack(job: ActiveJob): Promise<never> {
    try {
      await job.giveBack();
    } catch (error) {
      // Its lock lapses, and another worker gets it a little later. Any other error than the one below would fail it.
      this.parts.report(error, 'events.give_back');
    }
    throw new JobLeft('given back');
  }

  private abandonable<T>(work: Promise<T>): Promise<T> {
    const { signal } = this.abandoned;
    return new Promise((resolve, reject) => {
      const abandon = (): void => reject(new JobLeft('abandoned'));
      if (signal.aborted) abandon();
      signal.addEventListener('abort', abandon, { once: true });
      // Taken off again with each job: the signal lives as long as the worker.
      work.then(resolve, reject).finally(() => signal.removeEventListener('abort', abandon));
    });
  }

  private failed(error: unknown): void {
    this.parts.report(error, 'events.append');
    const message = error instanceof Error ? error.message : String(error);
    const { since, attempts } = this.retrying ?? { since: this.parts.clock.now(), attempts: 0 };
    this.retrying = { since, attempts: attempts + 1, error: message };
  }

  private async pause(ms: number, lock: AbortSignal): Promise<void> {
    const signal = AbortSignal.any([lock, this.aside.signal]);
    try {
      await sleep(ms, undefined, { signal });
    } catch (error) {
      // The caller looks at the signals.
      if (!signal.aborted) throw error;
    }
  }
}

/** Whether the event is not to be appended any more. `now`: cluster time, ms. */
export function isExpired({ expires_at }: StoredEvent, now: number): boolean {
  return expires_at !== undefined && Date.parse(expires_at) <= now;
}

function isJobData(data: unknown): data is JobData {
  return typeof data === 'object' && data !== null && 'events' in data && Array.isArray(data.events);
}

function isStoredEvent(event: unknown): event is StoredEvent {
  if (typeof event !== 'object' || event === null) return false;
  const { id, type, data } = event as Partial<Record<keyof StoredEvent, unknown>>;
  return typeof id === 'string' && id !== '' && typeof type === 'string' && typeof data === 'object' && data !== null;
}
