import type { Position } from '@unified-ws/protocol';
import { LuaScript, type ScriptCall } from '../../redis/luaScript.js';
import type { MailboxHead, MailboxState } from '../../registry/store/registryTypes.js';
import type { Settings } from '../../settings/settings.js';
import { CLOCK_STEP_MS, systemClock } from '../../util/clock.js';
import type { EventStoreParts } from '../event/eventStoreParts.js';
import {
  DEFAULT_WINDOW_MS,
  packed,
  remembered,
  unpackDigest,
  WHOLE_IDS,
  type WholeIds,
} from '../event/rememberedId.js';
import type { StoredEvent } from '../event/storedEvent.js';

/** What one script call appended, for the node of the owner. */
export interface AppendedMail {
  readonly userId: string;
  /** Of the owner at the time of the append; '' when the user is not connected. */
  readonly lease: string;
  readonly epoch: string;
  /** Offset of the first entry. */
  readonly first: number;
  /** Tag of the entry before the first one. */
  readonly prevTag: string;
  /** The newest offset. Known also when nothing was appended: then an earlier answer was lost, and its publish with it. */
  readonly head: number;
  readonly entries: readonly MailText[];
}

interface MailText {
  readonly tag: string;
  readonly event: StoredEvent;
  /** `event` as JSON. */
  readonly text: string;
}

export interface MailboxEntry {
  readonly offset: number;
  /** Random: tells this entry from one of the same offset in a history that was lost (L1). */
  readonly tag: string;
  readonly event: StoredEvent;
  /** When it was appended: cluster time, ms. */
  readonly at: number;
}

export interface MailboxPage extends MailboxState {
  readonly entries: readonly MailboxEntry[];
}

export interface MailboxesParts
  extends EventStoreParts,
    Pick<Settings, 'mailboxSize' | 'mailboxBytes' | 'mailboxTtlMs'> {
  /** Called in the turn of the script's answer. */
  readonly onAppended: (mail: AppendedMail) => void;
}

/** As box.lua answers. */
type BoxReply = readonly [
  epoch: string,
  head: number,
  tag: string,
  first: number,
  prevTag: string,
  offsets: readonly number[],
  lease: string,
  trimmed: number,
];

/** Per event its position; null when its id had been appended before. */
export type MailPositions = readonly (Position | null)[];

interface PendingMail {
  readonly events: StoredEvent[];
  readonly texts: string[];
  readonly waiters: {
    readonly count: number;
    resolve(positions: MailPositions): void;
    reject(error: unknown): void;
  }[];
}

/** One append to one mailbox: what box.lua is to be run with, and what is made of its answer. */
export interface MailboxCall extends ScriptCall {
  /** @param reply of box.lua. */
  readonly read: (reply: unknown) => { readonly positions: MailPositions; readonly mail: AppendedMail };
}

const TAG_BYTES = 6;
const TAG_LENGTH = (TAG_BYTES * 4) / 3;
const EPOCH_BYTES = 9;
/** Bounds of one script call, which runs alone in Redis. */
const MAX_EVENTS_PER_CALL = 100;
const MAX_CHARACTERS_PER_CALL = 1024 * 1024;

/** The mailboxes of all users: one small stream each, in the user's slot. */
export class Mailboxes {
  /** Counters since the start, read by the metrics. */
  readonly counts = {
    /** Events times mailboxes. */
    appended: 0,
    duplicates: 0,
    /** Entries that went before they were acknowledged: too many, too large or too old. */
    trimmedUnacknowledged: 0,
  };
  /** box.lua, to be run with what `appendCall` makes. */
  readonly appendScript: LuaScript;
  private readonly parts: MailboxesParts;
  private readonly ackScript: LuaScript;
  private readonly readScript: LuaScript;
  private pending = new Map<string, PendingMail>();
  /** JSON of the events in work: one may go to a thousand mailboxes, in more than one turn. */
  private readonly texts = new WeakMap<StoredEvent, string>();
  /** What of them is remembered. */
  private readonly shorts = new WeakMap<StoredEvent, string>();

  constructor(parts: MailboxesParts) {
    this.parts = parts;
    const load = (name: string): LuaScript => LuaScript.load(name, new URL(`./lua/${name}.lua`, import.meta.url));
    this.appendScript = load('box');
    this.ackScript = load('ack');
    this.readScript = load('boxread');
  }

  /**
   * Appends events to one mailbox, in order. An id that was appended before is skipped, so a call whose answer was lost may be
   * repeated (L2). Calls of one turn of the event loop for the same user share a script call.
   *
   * @param events as they are to lie in the mailbox.
   * @throws whatever the connection says; it is not known then what was appended.
   */
  append(userId: string, events: readonly StoredEvent[]): Promise<MailPositions> {
    if (events.length === 0) return Promise.resolve([]);
    return new Promise((resolve, reject) => {
      if (this.pending.size === 0) setImmediate(() => this.flush());
      let mail = this.pending.get(userId);
      if (!mail) {
        mail = { events: [], texts: [], waiters: [] };
        this.pending.set(userId, mail);
      }
      for (const event of events) {
        mail.events.push(event);
        mail.texts.push(this.textOf(event));
      }
      mail.waiters.push({ count: events.length, resolve, reject });
    });
  }

  /**
   * Entries from `from` on, at most `limit`, together with the state of that moment; null when there is no mailbox. An event may
   * have 256 KiB: the caller chooses a limit that it can hold.
   */
  async read(userId: string, from: number, limit: number): Promise<MailboxPage | null> {
    const { redis, keys, mailboxTtlMs } = this.parts;
    const args = [from, limit, mailboxTtlMs, this.now()];
    const answer = await this.readScript.run(redis, [keys.box(userId), keys.boxmeta(userId)], args);
    const row = answer as [string, string, string, string, string, string, string, string[]] | [];
    if (row.length === 0) return null;
    const [epoch, offset, tag, acked, ackedTag, first, floorTag, rows] = row;
    const entries: MailboxEntry[] = [];
    for (let i = 0; i + 3 < rows.length; i += 4) {
      const [at, entryTag, time, event] = rows.slice(i, i + 4) as [string, string, string, string];
      entries.push({
        offset: Number(at),
        tag: entryTag,
        at: Number(time),
        event: JSON.parse(event) as StoredEvent,
      });
    }
    const newest = entries.at(-1);
    if (newest) this.parts.onTime?.(newest.at);
    return {
      epoch,
      offset: Number(offset),
      tag,
      acked: Number(acked),
      ackedTag,
      first: Number(first),
      floorTag,
      entries,
    };
  }

  /** The head in Redis; null when there is no mailbox. */
  async head(userId: string): Promise<MailboxHead | null> {
    const { redis, keys } = this.parts;
    const [epoch, offset, tag] = await redis.hmget(keys.boxmeta(userId), 'epoch', 'offset', 'tag');
    return epoch ? { epoch, offset: Number(offset ?? 0), tag: tag ?? '' } : null;
  }

  /**
   * Acknowledges everything up to a position and forgets it (L8).
   *
   * @param owner the connection that acknowledges: nothing happens unless it is the user's current one.
   */
  async ack(
    userId: string,
    owner: { readonly conn: string; readonly fence: string },
    { epoch, offset, tag }: Position,
  ): Promise<'stored' | 'nothing' | 'not_current'> {
    const { redis, keys } = this.parts;
    const scriptKeys = [keys.box(userId), keys.boxmeta(userId), keys.conn(userId)];
    const result = await this.ackScript.run(redis, scriptKeys, [owner.conn, owner.fence, epoch, offset, tag]);
    return result === 1 ? 'stored' : result === 0 ? 'nothing' : 'not_current';
  }

  /** Per id whether an event of that id was appended to this mailbox within the window. */
  async seen(userId: string, ids: readonly string[]): Promise<boolean[]> {
    return (await this.digests(userId, ids)).map((digest) => digest !== null);
  }

  /** Per id the digest of what was appended under it within the window: '' when it is not known, null when nothing was. */
  async digests(userId: string, ids: readonly string[]): Promise<(string | null)[]> {
    if (ids.length === 0) return [];
    const { redis, keys } = this.parts;
    const fields = ids.map((id) => packed(id).field);
    const [a, b, old] = await Promise.all([
      redis.hmget(keys.boxIds(userId, 'a'), ...fields),
      redis.hmget(keys.boxIds(userId, 'b'), ...fields),
      this.wholeIds() === WHOLE_IDS.no ? [] : redis.zmscore(keys.boxseen(userId), ...ids),
    ]);
    return ids.map((id, index) => {
      const digest = unpackDigest(a[index] ?? null, id) ?? unpackDigest(b[index] ?? null, id);
      return digest ?? ((old[index] ?? null) === null ? null : '');
    });
  }

  private wholeIds(): WholeIds {
    return this.parts.wholeIds?.() ?? WHOLE_IDS.no;
  }

  private now(): number {
    return (this.parts.clock ?? systemClock).now();
  }

  /** An event as JSON; made once, however many mailboxes it goes to. */
  textOf(event: StoredEvent): string {
    const known = this.texts.get(event);
    if (known !== undefined) return known;
    const text = JSON.stringify(event);
    this.texts.set(event, text);
    return text;
  }

  private shortOf(event: StoredEvent): string {
    const known = this.shorts.get(event);
    if (known !== undefined) return known;
    const short = remembered(event);
    this.shorts.set(event, short);
    return short;
  }

  private flush(): void {
    const all = this.pending;
    this.pending = new Map();
    for (const [userId, mail] of all) void this.appendMail(userId, mail);
  }

  private async appendMail(userId: string, { events, texts, waiters }: PendingMail): Promise<void> {
    try {
      const positions: (Position | null)[] = [];
      // One after the other: when the first of two calls fails and the second does not, the order is lost.
      for (const [from, to] of chunks(texts)) {
        positions.push(...(await this.run(userId, events.slice(from, to))));
      }
      let start = 0;
      for (const { count, resolve } of waiters) {
        resolve(positions.slice(start, start + count));
        start += count;
      }
    } catch (error) {
      for (const { reject } of waiters) reject(error);
    }
  }

  private async run(userId: string, events: readonly StoredEvent[]): Promise<MailPositions> {
    const { keys, args, read } = this.appendCall(userId, events);
    const { positions, mail } = read(await this.appendScript.run(this.parts.redis, keys, args));
    this.parts.onAppended(mail);
    return positions;
  }

  /** @param events as they are to lie in the mailbox. */
  appendCall(userId: string, events: readonly StoredEvent[]): MailboxCall {
    const {
      keys,
      random,
      mailboxSize,
      mailboxBytes,
      mailboxTtlMs,
      idempotencyWindowMs = DEFAULT_WINDOW_MS,
    } = this.parts;
    const wholeIds = this.wholeIds();
    const limits = [mailboxSize, mailboxBytes, mailboxTtlMs, this.now(), CLOCK_STEP_MS, idempotencyWindowMs, wholeIds];
    const appends: string[] = [];
    const tags = base64(random(TAG_BYTES * events.length));
    const made: MailText[] = [];
    // Within a call the script takes each id once; a second one is as one that was there before.
    const places = new Map<string, number>();
    const placeOf = events.map((event, index) => {
      const known = places.get(event.id);
      if (known !== undefined) return null;
      const place = places.size;
      places.set(event.id, place);
      const tag = tags.slice(index * TAG_LENGTH, (index + 1) * TAG_LENGTH);
      const text = this.textOf(event);
      appends.push(this.shortOf(event), tag, text);
      made.push({ tag, event, text });
      return place;
    });
    const ids = [keys.boxIds(userId, 'a'), keys.boxIds(userId, 'b')];
    const scriptKeys = [keys.box(userId), keys.boxmeta(userId), ...ids, keys.conn(userId), keys.boxseen(userId)];
    const whole = wholeIds === WHOLE_IDS.no ? [] : places.keys();
    const args = [base64(random(EPOCH_BYTES)), ...limits, places.size, ...appends, ...whole];
    const read: MailboxCall['read'] = (reply) => {
      const [epoch, head, , first, prevTag, answered, lease, trimmed] = reply as BoxReply;
      const entries = made.filter((_, place) => (answered[place] ?? 0) > 0);
      const { counts } = this;
      counts.appended += entries.length;
      counts.duplicates += events.length - entries.length;
      counts.trimmedUnacknowledged += trimmed;
      const positions = placeOf.map((place) => {
        const offset = place === null ? 0 : (answered[place] ?? 0);
        return place === null || offset === 0 ? null : { epoch, offset, tag: made[place]?.tag ?? '' };
      });
      return { positions, mail: { userId, lease, epoch, first, prevTag, head, entries } };
    };
    return { keys: scriptKeys, args, read };
  }
}

/** Ranges of texts that fit into one call each. */
function* chunks(texts: readonly string[]): Generator<[number, number]> {
  let from = 0;
  let size = 0;
  for (const [index, { length }] of texts.entries()) {
    size += length;
    if (index === from || (index - from < MAX_EVENTS_PER_CALL && size <= MAX_CHARACTERS_PER_CALL)) continue;
    yield [from, index];
    from = index;
    size = length;
  }
  if (from < texts.length) yield [from, texts.length];
}

function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64url');
}
