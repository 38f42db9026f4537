import { setTimeout as sleep } from 'node:timers/promises';
import type { Core } from '../../core.js';
import type { EventPosition } from '../event/eventPosition.js';
import type { StoredEvent } from '../event/storedEvent.js';
import type { IdleAppender, LaneCalls, LaneState } from '../log/idleAppender.js';
import type { EventOutcomes } from './eventOutcomes.js';
import type { EndedEvents } from './eventRecord.js';
import { isExpired, type ProcessorParts } from './jobProcessor.js';
import type { JobDraft, JobQueue } from './queueEngine.js';

export interface DirectAppendParts extends Pick<Core, 'clock' | 'report'>, Pick<ProcessorParts, 'mayAppend'> {
  readonly appender: IdleAppender;
  readonly queue: Pick<JobQueue, 'idle'>;
  readonly outcomes: Pick<EventOutcomes, 'call' | 'recordEnds' | 'recorded'>;
}

/** Bounds of one call, as `IdleAppender` has them. A single job never has more. */
const MAX_EVENTS = 500;
const MAX_BYTES = 1024 * 1024;
/**
 * A lane with a few jobs left is asked again after these pauses. Queued at once, each event would find the job of the one before still in
 * work, and a lane that once had to queue would never be idle again, at a load that it can carry directly.
 */
const PAUSES_MS = [2, 4, 8, 16, 32] as const;

/**
 * Appends what is published while its lane is idle, without a job (Q8). The caller has one call under way at a time, so that nothing
 * overtakes an append whose outcome is not known yet.
 */
export class DirectAppend {
  readonly counts = {
    appended: 0,
    /** Events whose id had been appended before. */
    duplicates: 0,
    /** Events dropped because `expires_at` was over. */
    expired: 0,
  };
  private readonly parts: DirectAppendParts;

  constructor(parts: DirectAppendParts) {
    this.parts = parts;
  }

  /**
   * Appends drafts in their order, as far as possible. Never rejects: an append whose outcome is not known counts as not done, and the
   * job that follows from the same draft makes good for it, once (L2).
   *
   * @returns `existed`: for each draft that is done whether all of it had been appended before. The drafts behind these are to be
   *   queued, also those of a group that failed. `backlog`: they are, because the jobs of the lane have not been worked off.
   */
  async append(
    drafts: readonly JobDraft[],
  ): Promise<{ readonly existed: readonly boolean[]; readonly backlog: boolean }> {
    const existed: boolean[] = [];
    let backlog = false;
    for (const group of groupsOf(drafts)) {
      if (!this.parts.mayAppend()) break;
      try {
        const done = await this.appendGroup(group);
        if (typeof done === 'string') {
          backlog = done !== 'busy';
          break;
        }
        existed.push(...done);
      } catch (error) {
        this.parts.report(error, 'events.direct');
        break;
      }
    }
    return { existed, backlog };
  }

  /** The state of a lane that has jobs to do. */
  private async appendGroup(drafts: readonly JobDraft[]): Promise<boolean[] | LaneState> {
    const { appender, queue, outcomes, clock, report, mayAppend } = this.parts;
    const now = clock.now();
    const all = drafts.flatMap(({ data }) => data.events);
    const expired = new Set(all.filter((event) => isExpired(event, now)));
    const endedOf = (positionsOf: (event: StoredEvent) => readonly EventPosition[]): readonly EndedEvents[] =>
      drafts.map(({ data: { publisher, events } }) => ({
        publisher,
        way: 'direct',
        events: events.map((event) => ({
          event,
          end: expired.has(event) ? 'expired' : 'appended',
          positions: positionsOf(event),
        })),
      }));
    const due = all.filter((event) => !expired.has(event));
    const given = drafts.filter((draft) => draft.given).map(({ id }) => id);
    const planned = endedOf(() => []);
    const calls = (): LaneCalls => ({ idle: queue.idle(given), outcomes: outcomes.call(planned) });
    let result = await appender.appendIfIdle(due, calls());
    for (const pause of PAUSES_MS) {
      if (result !== 'nearly idle' || !mayAppend()) break;
      await sleep(pause);
      result = await appender.appendIfIdle(due, calls());
    }
    if (typeof result === 'string') return result;
    const { positions, recorded } = result;
    if (recorded === null) {
      const places = new Map(due.map((event, index) => [event, index]));
      const ended = endedOf((event) => positions[places.get(event) ?? -1] ?? []);
      // Without waiting: who asks later is told a little less when this is lost, but no event waits for it.
      outcomes.recordEnds(ended).catch((error: unknown) => report(error, 'events.direct'));
    } else outcomes.recorded(planned, recorded);
    const offsets = new Map(due.map((event, index) => [event, result.offsets[index] ?? 0]));
    const appended = result.offsets.filter((offset) => offset > 0).length;
    this.counts.appended += appended;
    this.counts.duplicates += due.length - appended;
    this.counts.expired += all.length - due.length;
    return drafts.map((draft) => draft.given && draft.data.events.every((event) => offsets.get(event) === 0));
  }
}

/** Whether the draft can be appended without a job: it is due, and none of its events is for several users. */
export function mayGoDirect({ dueAt, data }: JobDraft, now: number): boolean {
  return (dueAt === null || dueAt <= now) && data.events.every((event) => (event.target_user_ids?.length ?? 0) <= 1);
}

/** The drafts in their order, as many at a time as one call may have. */
function* groupsOf(drafts: readonly JobDraft[]): Generator<readonly JobDraft[]> {
  let group: JobDraft[] = [];
  let events = 0;
  let bytes = 0;
  for (const draft of drafts) {
    events += draft.data.events.length;
    bytes += draft.bytes;
    if (group.length > 0 && (events > MAX_EVENTS || bytes > MAX_BYTES)) {
      yield group;
      group = [];
      events = draft.data.events.length;
      bytes = draft.bytes;
    }
    group.push(draft);
  }
  if (group.length > 0) yield group;
}
