import { jobOfMember, memberId } from '../event/eventIds.js';
import { type EventPosition, MAX_RECORDED_USERS } from '../event/eventPosition.js';
import type { StoredEvent } from '../event/storedEvent.js';

/** How an event ended. */
export type EventEnd = 'appended' | 'failed' | 'expired';

/** Limits of who may see an event, as it has them; values that are not of their type: they were too long to be recorded. */
interface RecordedLimits {
  readonly roles?: unknown;
  readonly permission?: unknown;
  readonly exclude?: unknown;
}

/** Events that ended together: of a job, or of what would have been one. */
export interface EndedEvents {
  readonly publisher: string;
  /** Appended at once (Q8), or by the worker of a queue. */
  readonly way: 'direct' | 'queued';
  readonly events: readonly EndedEvent[];
}

export interface EndedEvent {
  readonly event: StoredEvent;
  readonly end: EventEnd;
  /** Empty when it had been appended before, or was not. */
  readonly positions: readonly EventPosition[];
}

/** What is known of an event after its end, but not what it said. */
export interface EventRecord {
  readonly id: string;
  readonly type: string;
  readonly publisher: string;
  readonly way: EndedEvents['way'];
  readonly end: EventEnd;
  /** Wall-clock ms: when it was accepted, or the first one of its job; when it ended. */
  readonly acceptedAt: number;
  readonly endedAt: number;
  /** Null: for everybody. At most `MAX_RECORDED_USERS` of `userCount`. */
  readonly userIds: readonly string[] | null;
  readonly userCount: number;
  /** Per user who is named, if it was appended there by then; in the log one. */
  readonly positions: readonly EventPosition[];
  readonly limits: RecordedLimits;
}

/** Of `RecordedLimits` as JSON: an event may exclude 1,000 users. */
const MAX_LIMITS_LENGTH = 256;
const ENDS = { a: 'appended', f: 'failed', e: 'expired' } as const;

/** An event in the text of a record. Most are one of the two short ones: appended, to everybody or to one user, an id that follows. */
type EventText = 0 | string | LongEventText;
interface LongEventText {
  /** Id, where it does not follow from the job's and the place. */
  readonly i?: string;
  /** Type, where it is another than the first one's. */
  readonly t?: string;
  /** End, unless it was appended. */
  readonly e?: 'f' | 'e';
  readonly u?: readonly string[];
  /** Number of users, when not all are named. */
  readonly n?: number;
  readonly l?: RecordedLimits;
}
/** `job` is the short form of its id (`shortJob`); 0: the ids do not follow. Then `acceptedAt` is given, else the id tells. */
type EndedText = [publisher: string, type: string, way: 'd' | 'q', acceptedAt: number, job: string | 0, ...EventText[]];

/** What a record holds but for its positions, which `positionsText` makes, or together.lua. */
export function recordText(ended: readonly EndedEvents[]): string {
  return JSON.stringify(ended.map(endedText));
}

function endedText({ publisher, way, events }: EndedEvents): EndedText {
  const first = events[0]?.event;
  const type = first?.type ?? '';
  const job = jobOfMember(first?.id ?? '')?.jobId ?? null;
  const texts = events.map((event, place) => eventText(event, type, job === null ? null : memberId(job, place)));
  const acceptedAt = job === null ? Date.parse(first?.timestamp ?? '') || 0 : 0;
  return [publisher, type, way === 'direct' ? 'd' : 'q', acceptedAt, job === null ? 0 : shortJob(job), ...texts];
}

/** 22 characters for a UUID's 36. */
function shortJob(id: string): string {
  return Buffer.from(id.replaceAll('-', ''), 'hex').toString('base64url');
}

function longJob(short: string): string {
  const hex = Buffer.from(short, 'base64url').toString('hex');
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-');
}

/** When a UUIDv7 was made, ms. */
function timeOf(id: string): number {
  return Number.parseInt(id.slice(0, 8) + id.slice(9, 13), 16);
}

function eventText({ event, end }: EndedEvent, type: string, followingId: string | null): EventText {
  const { target_user_ids: users, roles, permission, exclude } = event;
  const isLimited = roles !== undefined || permission !== undefined || exclude !== undefined;
  const isPlain = event.id === followingId && event.type === type && end === 'appended' && !isLimited;
  if (isPlain && users === undefined) return 0;
  if (isPlain && users?.length === 1) return users[0] as string;
  const limits = { roles, permission, exclude };
  const areLong = isLimited && JSON.stringify(limits).length > MAX_LIMITS_LENGTH;
  return {
    ...(event.id === followingId ? {} : { i: event.id }),
    ...(event.type === type ? {} : { t: event.type }),
    ...(end === 'appended' ? {} : { e: end === 'failed' ? 'f' : 'e' }),
    ...(users === undefined ? {} : { u: users.slice(0, MAX_RECORDED_USERS) }),
    ...((users?.length ?? 0) > MAX_RECORDED_USERS ? { n: users?.length ?? 0 } : {}),
    // No sound limit has this value: only a viewer who may see everything sees such an event.
    ...(isLimited ? { l: areLong ? { permission: false } : limits } : {}),
  };
}

/**
 * The positions of a record: `<epoch>,<offset>.<tag>,…` of the log, then of each mailbox, in the order in which the record names them,
 * separated by `;`. In each the appended events in their order; `0` for one that had been appended before. together.lua makes the same.
 */
export function positionsText(ended: readonly EndedEvents[]): string {
  const log: string[] = [''];
  const boxes = new Map<string, string[]>();
  for (const { event, end, positions } of ended.flatMap(({ events }) => events)) {
    if (end !== 'appended') continue;
    const users = event.target_user_ids?.slice(0, MAX_RECORDED_USERS) ?? [null];
    for (const userId of new Set(users)) {
      const texts = userId === null ? log : (boxes.get(userId) ?? ['']);
      if (userId !== null) boxes.set(userId, texts);
      const found = positions.find((position) => position.userId === userId);
      if (found) texts[0] = found.epoch;
      texts.push(found ? `${found.offset}.${found.tag}` : '0');
    }
  }
  return [log, ...boxes.values()].map((texts) => texts.join(',')).join(';');
}

/** Reads what is recorded under the id of a stream's entry, in the order in which the events ended. */
export function readRecord(entryId: string, text: string, positions: string): EventRecord[] {
  const endedAt = Number.parseInt(entryId, 10);
  const places = new Places(positions);
  return (JSON.parse(text) as EndedText[]).flatMap(([publisher, type, way, acceptedAt, short, ...events]) => {
    const job = short === 0 ? null : longJob(short);
    return events.map((event, place): EventRecord => {
      const long: LongEventText = event === 0 ? {} : typeof event === 'string' ? { u: [event] } : event;
      const end = ENDS[long.e ?? 'a'];
      return {
        id: long.i ?? (job === null ? '' : memberId(job, place)),
        type: long.t ?? type,
        publisher,
        way: way === 'd' ? 'direct' : 'queued',
        end,
        acceptedAt: job === null ? acceptedAt : timeOf(job),
        endedAt,
        userIds: long.u ?? null,
        userCount: long.n ?? long.u?.length ?? 0,
        positions: end === 'appended' ? [...new Set(long.u ?? [null])].flatMap((userId) => places.next(userId)) : [],
        limits: long.l ?? {},
      };
    });
  });
}

/** Gives the positions of a record back, one after the other. */
class Places {
  private readonly rest: string[];
  private readonly boxes = new Map<string | null, { readonly epoch: string; readonly left: string[] }>();

  constructor(text: string) {
    const [log = '', ...boxes] = text.split(';');
    this.rest = boxes;
    this.open(null, log);
  }

  next(userId: string | null): EventPosition[] {
    const { epoch, left } = this.boxes.get(userId) ?? this.open(userId, this.rest.shift() ?? '');
    const [offset = '0', tag = ''] = left.shift()?.split('.') ?? [];
    return offset === '0' ? [] : [{ userId, epoch, offset: Number(offset), tag }];
  }

  private open(userId: string | null, text: string) {
    const [epoch = '', ...left] = text.split(',');
    const box = { epoch, left };
    this.boxes.set(userId, box);
    return box;
  }
}
