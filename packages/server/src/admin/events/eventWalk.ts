import { isRepeat, type RecordedEntry } from '../../events/queue/eventOutcomes.js';
import type { EventRecord } from '../../events/queue/eventRecord.js';
import type { LaneLookup } from '../../events/queue/laneLookup.js';

/** An event in the records of all queues. */
export interface WalkPlace {
  readonly entryId: string;
  /** Index of the queue. */
  readonly lane: number;
  /** Among the events of the entry. */
  readonly index: number;
}

/** Keeps Redis busy for well below a millisecond. */
const READ_AT_ONCE = 100;

interface Source {
  readonly lookup: Pick<LaneLookup, 'recent'>;
  readonly entries: RecordedEntry[];
  /** Where the next reading begins; null: all was read. */
  to: string | null;
}

/** Walks over the records of several queues, from the newest event to the oldest. */
export class EventWalk {
  /** Entries that were left behind. */
  looked = 0;
  private readonly sources: readonly Source[];
  private readonly from: string;
  private readonly after: WalkPlace | null;
  /** Events of the entry in work, the newest last. */
  private events: { readonly record: EventRecord; readonly place: WalkPlace }[] = [];

  /**
   * @param from first id of an entry or ms, `-`: the oldest. @param to last one, `+`: the newest.
   * @param after where an earlier walk ended.
   */
  constructor(lookups: readonly Pick<LaneLookup, 'recent'>[], from: string, to: string, after: WalkPlace | null) {
    this.from = from;
    this.after = after;
    this.sources = lookups.map((lookup, lane) => ({ lookup, entries: [], to: startOf(lane, to, after) }));
  }

  /** Null: there are no older ones. @throws whatever the connection says. */
  async next(): Promise<{ readonly record: EventRecord; readonly place: WalkPlace } | null> {
    for (;;) {
      const event = this.events.pop();
      if (event !== undefined) return event;
      await Promise.all(this.sources.map((source) => this.fill(source)));
      const newest = this.newest();
      if (newest === null) return null;
      this.looked += 1;
      const { lane, entry } = newest;
      this.sources[lane]?.entries.shift();
      const cut =
        this.after?.lane === lane && this.after.entryId === entry.id ? this.after.index : Number.MAX_SAFE_INTEGER;
      this.events = entry.records
        .map((record, index) => ({ record, place: { entryId: entry.id, lane, index } }))
        .filter(({ record, place }) => !isRepeat(record) && place.index < cut);
    }
  }

  private async fill(source: Source): Promise<void> {
    if (source.entries.length > 0 || source.to === null) return;
    const entries = await source.lookup.recent(source.to, this.from, READ_AT_ONCE);
    source.entries.push(...entries);
    const last = entries.at(-1);
    source.to = last === undefined || entries.length < READ_AT_ONCE ? null : `(${last.id}`;
  }

  /** The newest entry of all queues; of two with the same id that of the later queue. */
  private newest(): { readonly lane: number; readonly entry: RecordedEntry } | null {
    let newest: { readonly lane: number; readonly entry: RecordedEntry } | null = null;
    for (const [lane, { entries }] of this.sources.entries()) {
      const [entry] = entries;
      if (entry !== undefined && (newest === null || compare(entry.id, newest.entry.id) >= 0)) newest = { lane, entry };
    }
    return newest;
  }
}

/** What comes after a place: older entries, and of the same id those of earlier queues. */
function startOf(lane: number, to: string, after: WalkPlace | null): string {
  if (after === null) return to;
  const { entryId } = after;
  if (to !== '+' && compare(to, entryId) < 0) return to;
  return lane > after.lane ? `(${entryId}` : entryId;
}

/** Ids of entries are times and numbers. Ms without a number are the last id of that time. */
function compare(one: string, other: string): number {
  const [ms = 0, number = Number.MAX_SAFE_INTEGER] = one.split('-').map(Number);
  const [otherMs = 0, otherNumber = Number.MAX_SAFE_INTEGER] = other.split('-').map(Number);
  return ms - otherMs || number - otherNumber;
}
