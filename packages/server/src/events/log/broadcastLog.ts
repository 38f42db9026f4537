import { type Signature, UNSIGNED } from '../../redis/installation.js';
import { LuaScript, type ScriptCall } from '../../redis/luaScript.js';
import type { Settings } from '../../settings/settings.js';
import { CLOCK_STEP_MS, systemClock } from '../../util/clock.js';
import type { EventPosition } from '../event/eventPosition.js';
import type { EventStoreParts } from '../event/eventStoreParts.js';
import { DEFAULT_WINDOW_MS, remembered, shortId, WHOLE_IDS, type WholeIds } from '../event/rememberedId.js';
import type { StoredEvent } from '../event/storedEvent.js';

/** One entry of the log; the same whether it came over the bus or was read from the stream. */
export interface LogEntry {
  /** 1 for the first entry of an epoch, growing by exactly 1. */
  readonly offset: number;
  /** Random: tells this entry from one of the same offset in a history that was lost (L1). */
  readonly tag: string;
  readonly event: StoredEvent;
  /** About the length of the event's JSON: bounds what is kept of the log in memory. */
  readonly bytes: number;
}

/** What one append published: entries without a hole. */
export interface BroadcastBatch {
  readonly epoch: string;
  /** Tag of the entry before the first one; '' when the first one is the first of the epoch. */
  readonly prevTag: string;
  readonly entries: readonly [LogEntry, ...LogEntry[]];
}

/** The newest entry of the log: offset 0 and tag '' while there is none. */
export interface LogHead {
  readonly epoch: string;
  readonly offset: number;
  readonly tag: string;
}

/** The head, and the epoch that the log had before it was found set back and given this one (L1); '' when it was not. */
export interface RotatedHead extends LogHead {
  readonly rotatedFrom: string;
}

export interface AppendResult {
  readonly epoch: string;
  /** Per event its offset; 0 when its id had been appended before. */
  readonly offsets: readonly number[];
  /**
   * Per event where it was appended, for at most `MAX_RECORDED_USERS` of its mailboxes; nowhere when its id had been appended before.
   */
  readonly positions: readonly (readonly EventPosition[])[];
}

export interface BroadcastLogParts
  extends EventStoreParts,
    Pick<Settings, 'historySize' | 'historyBytes' | 'historyTtlMs'> {
  readonly installation?: Signature;
}

/** What append.lua is to be run with. */
export interface LogCall extends ScriptCall {
  /** Of the events, if they are appended. */
  readonly tags: readonly string[];
}

interface PendingAppend {
  readonly events: readonly StoredEvent[];
  readonly texts: readonly string[];
  /** Characters of the texts. */
  readonly size: number;
  readonly resolve: (result: AppendResult) => void;
  readonly reject: (error: unknown) => void;
}

const TAG_BYTES = 6;
const EPOCH_BYTES = 9;
/** Of an entry's fields as append.lua writes them. */
const TIME_FIELD = 3;
/** Bounds of one script call, which runs alone in Redis, and of the batch that every node receives. */
const MAX_EVENTS_PER_CALL = 500;
const MAX_CHARACTERS_PER_CALL = 1024 * 1024;

/**
 * The log of broadcast events: a Redis stream with offsets without holes, published to all nodes as it grows (L1, L9).
 */
export class BroadcastLog {
  /** append.lua, to be run with what `appendCall` makes. */
  readonly script: LuaScript;
  private readonly parts: BroadcastLogParts;
  private readonly rotation: LuaScript;
  private readonly beginning: LuaScript;
  private readonly scriptKeys: readonly string[];
  private pending: PendingAppend[] = [];

  constructor(parts: BroadcastLogParts) {
    this.parts = parts;
    this.script = LuaScript.load('append', new URL('./lua/append.lua', import.meta.url));
    this.rotation = LuaScript.load('rotate', new URL('./lua/rotate.lua', import.meta.url));
    this.beginning = LuaScript.load('begin', new URL('./lua/begin.lua', import.meta.url));
    const { keys } = parts;
    const ids = [keys.logIds('a'), keys.logIds('b'), keys.logSeenA(), keys.logSeenB()];
    this.scriptKeys = [keys.logStream(), keys.logMeta(), ...ids];
  }

  /**
   * Appends events and publishes them to every node. An id that was appended before is skipped, so a call whose answer
   * was lost may be repeated (L2). Calls of one turn of the event loop share a script call and a batch.
   *
   * @throws whatever the connection says; it is not known then whether the events were appended.
   */
  append(events: readonly StoredEvent[]): Promise<AppendResult> {
    return new Promise((resolve, reject) => {
      const texts = events.map((event) => JSON.stringify(event));
      const size = texts.reduce((sum, event) => sum + event.length, 0);
      if (this.pending.length === 0) setImmediate(() => this.flush());
      this.pending.push({ events, texts, size, resolve, reject });
    });
  }

  /** The head in Redis. Makes the epoch if the log has none yet. */
  async head(): Promise<LogHead> {
    const { redis, keys, random } = this.parts;
    const [known, at, name] = await redis.hmget(keys.logMeta(), 'epoch', 'offset', 'tag');
    if (known) return { epoch: known, offset: Number(at ?? 0), tag: name ?? '' };
    const answer = await this.beginning.run(
      redis,
      [keys.logStream(), keys.logMeta()],
      [text(random(EPOCH_BYTES)), this.now()],
    );
    const [epoch, offset, tag] = answer as [string, string, string];
    return { epoch, offset: Number(offset), tag };
  }

  /**
   * The log was found set back under the epoch named: its offsets were, or will be, given away again. Gives it a new one, unless
   * it has another already. Returns the head as it is then.
   */
  async rotate(epoch: string): Promise<RotatedHead> {
    const { redis, keys, random } = this.parts;
    const answer = await this.rotation.run(redis, [keys.logMeta()], [epoch, text(random(EPOCH_BYTES))]);
    const [current, offset, tag, rotatedFrom] = answer as [string, string, string, string];
    return { epoch: current, offset: Number(offset), tag, rotatedFrom };
  }

  /**
   * Whether the entry of this position, which is not in the log any more, was the last one before those that are: what follows it
   * is all there then.
   */
  async followed({ epoch, offset, tag }: LogHead): Promise<boolean> {
    const { redis, keys } = this.parts;
    const [current, floor, floorTag] = await redis.hmget(keys.logMeta(), 'epoch', 'floor', 'floor_tag');
    return current === epoch && floor === String(offset) && floorTag === tag;
  }

  /**
   * Entries with fromExclusive < offset ≤ toInclusive in order, at most `limit`, whichever are still there. An event
   * may have 256 KiB: the caller chooses a limit that it can hold.
   */
  async read(fromExclusive: number, toInclusive: number, limit: number): Promise<LogEntry[]> {
    if (toInclusive <= fromExclusive || limit <= 0) return [];
    const { redis, keys, historyTtlMs } = this.parts;
    const [at, rows] = await Promise.all([
      redis.hget(keys.logMeta(), 'at'),
      redis.xrange(keys.logStream(), `${fromExclusive + 1}-0`, `${toInclusive}-0`, 'COUNT', limit),
    ]);
    // Over by its age, though Redis keeps it for as long as its own clock may be off.
    if (at !== null && this.now() - Number(at) > historyTtlMs) return [];
    const newest = rows.at(-1)?.[1][TIME_FIELD];
    if (newest !== undefined) this.parts.onTime?.(Number(newest));
    return rows.map(([id, fields]) => readEntry(id, fields));
  }

  /** Per id whether an event of that id was appended within the window. */
  async seen(ids: readonly string[]): Promise<boolean[]> {
    return (await this.digests(ids)).map((digest) => digest !== null);
  }

  /** Per id the digest of what was appended under it within the window: '' when it is not known, null when nothing was. */
  async digests(ids: readonly string[]): Promise<(string | null)[]> {
    if (ids.length === 0) return [];
    const { redis, keys } = this.parts;
    const short = ids.map(shortId);
    const old = this.wholeIds() === WHOLE_IDS.no ? [] : [keys.logSeenA(), keys.logSeenB()];
    const [a, b, ...sets] = await Promise.all([
      redis.hmget(keys.logIds('a'), ...short),
      redis.hmget(keys.logIds('b'), ...short),
      ...old.map((key) => redis.smismember(key, ...ids)),
    ]);
    const known = (index: number): string | null => (sets.some((set) => set[index] === 1) ? '' : null);
    return ids.map((_, index) => a[index] ?? b[index] ?? known(index));
  }

  private wholeIds(): WholeIds {
    return this.parts.wholeIds?.() ?? WHOLE_IDS.no;
  }

  private now(): number {
    return (this.parts.clock ?? systemClock).now();
  }

  private flush(): void {
    const calls = this.pending;
    this.pending = [];
    let group: PendingAppend[] = [];
    let events = 0;
    let size = 0;
    for (const call of calls) {
      events += call.events.length;
      size += call.size;
      if (group.length > 0 && (events > MAX_EVENTS_PER_CALL || size > MAX_CHARACTERS_PER_CALL)) {
        void this.appendGroup(group);
        group = [];
        events = call.events.length;
        size = call.size;
      }
      group.push(call);
    }
    void this.appendGroup(group);
  }

  private async appendGroup(group: readonly PendingAppend[]): Promise<void> {
    try {
      const events = group.flatMap((call) => call.events);
      const texts = group.flatMap((call) => call.texts);
      const { epoch, offsets, positions } = await this.run(events, texts);
      let start = 0;
      for (const call of group) {
        const end = start + call.events.length;
        call.resolve({ epoch, offsets: offsets.slice(start, end), positions: positions.slice(start, end) });
        start = end;
      }
    } catch (error) {
      for (const { reject } of group) reject(error);
    }
  }

  private async run(events: readonly StoredEvent[], texts: readonly string[]): Promise<AppendResult> {
    const { keys, args, tags } = this.appendCall(events, texts);
    return readAppend(await this.script.run(this.parts.redis, keys, args), tags);
  }

  /** @param texts the events as JSON. */
  appendCall(events: readonly StoredEvent[], texts: readonly string[]): LogCall {
    const {
      keys,
      random,
      historySize,
      historyBytes,
      historyTtlMs,
      idempotencyWindowMs = DEFAULT_WINDOW_MS,
      installation = UNSIGNED,
    } = this.parts;
    const wholeIds = this.wholeIds();
    const args: (string | number)[] = [
      keys.eventsChannel(),
      text(random(EPOCH_BYTES)),
      historySize,
      historyBytes,
      historyTtlMs,
      idempotencyWindowMs,
      this.now(),
      CLOCK_STEP_MS,
      installation.end,
      wholeIds,
      events.length,
    ];
    const random64 = text(random(TAG_BYTES * events.length));
    const tagLength = (TAG_BYTES * 4) / 3;
    const tags = events.map((_, index) => random64.slice(index * tagLength, (index + 1) * tagLength));
    for (const [index, event] of events.entries()) args.push(remembered(event), tags[index] ?? '', texts[index] ?? '');
    if (wholeIds !== WHOLE_IDS.no) args.push(...events.map(({ id }) => id));
    return { keys: this.scriptKeys, args, tags };
  }
}

/** Reads what append.lua answered. */
export function readAppend(reply: unknown, tags: readonly string[]): AppendResult {
  const [epoch, , , offsets] = reply as [epoch: string, head: number, tag: string, offsets: number[]];
  const positions = offsets.map((offset, index) =>
    offset === 0 ? [] : [{ userId: null, epoch, offset, tag: tags[index] ?? '' }],
  );
  return { epoch, offsets, positions };
}

/**
 * Reads what append.lua published on the events channel.
 *
 * @throws Error when it is not such a batch.
 */
export function parseBatch(message: string): BroadcastBatch {
  const batch = JSON.parse(message) as {
    epoch: string;
    first: number;
    prev_tag: string;
    events: [string, StoredEvent][];
  };
  const bytes = Math.ceil(message.length / Math.max(1, batch.events.length));
  const [first, ...rest] = batch.events.map(([tag, event], index) => ({
    offset: batch.first + index,
    tag,
    event,
    bytes,
  }));
  if (first === undefined) throw new Error('a batch of the events channel holds no event');
  return { epoch: batch.epoch, prevTag: batch.prev_tag, entries: [first, ...rest] };
}

function readEntry(id: string, fields: readonly string[]): LogEntry {
  // The order in which append.lua writes them.
  const [, tag = '', , , , event = ''] = fields;
  return { offset: Number.parseInt(id, 10), tag, event: JSON.parse(event) as StoredEvent, bytes: event.length };
}

function text(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64url');
}
