import type { BroadcastLog, LogEntry } from './broadcastLog.js';

/** Entries of a page. */
const PAGE = 250;
/** Pages that are kept for others who replay the same part, by the bytes of their events; the newest used stay. */
const MAX_KEPT_BYTES = 8 * 1024 * 1024;

interface Page {
  readonly entries: readonly LogEntry[];
  readonly bytes: number;
}

/**
 * The broadcast log in pages of fixed borders, so that connections which replay the same part share one read of Redis, also
 * while it is under way (L10).
 */
export class LogPages {
  private readonly log: BroadcastLog;
  private readonly kept = new Map<number, Page>();
  private readonly reading = new Map<number, Promise<readonly LogEntry[]>>();
  private keptBytes = 0;
  private life = 0;

  constructor(log: BroadcastLog) {
    this.log = log;
  }

  /**
   * Some of the entries with after < offset ≤ to, in order, from the first that is still there; none when all are gone.
   *
   * @param limit at most so many, which are then read for the caller alone unless their page is known; default: what a page holds.
   * @throws whatever the connection says.
   */
  async after(after: number, to: number, limit: number = PAGE): Promise<readonly LogEntry[]> {
    const number = Math.floor(after / PAGE);
    if (limit < PAGE) {
      const within = this.kept.get(number)?.entries.filter(({ offset }) => offset > after && offset <= to) ?? [];
      return within.length > 0 ? within.slice(0, limit) : await this.log.read(after, to, limit);
    }
    const page = await this.page(number, to);
    const rest = page.filter(({ offset }) => offset > after && offset <= to);
    if (rest.length > 0 || to <= (number + 1) * PAGE) return rest;
    // Trimmed up to here: where the log begins now is in none of the pages before.
    return await this.log.read(after, to, PAGE);
  }

  /** Pages that are kept. */
  get size(): number {
    return this.kept.size;
  }

  /** The log is another one. */
  clear(): void {
    this.kept.clear();
    this.reading.clear();
    this.keptBytes = 0;
    this.life += 1;
  }

  private page(number: number, to: number): Promise<readonly LogEntry[]> {
    const known = this.kept.get(number);
    if (known) {
      // Used last: goes last.
      this.kept.delete(number);
      this.kept.set(number, known);
      return Promise.resolve(known.entries);
    }
    const full = to >= (number + 1) * PAGE;
    const key = full ? number : -1 - to;
    const running = this.reading.get(key);
    if (running) return running;
    const read = this.read(number, full ? (number + 1) * PAGE : to, full).finally(() => {
      if (this.reading.get(key) === read) this.reading.delete(key);
    });
    this.reading.set(key, read);
    return read;
  }

  private async read(number: number, to: number, full: boolean): Promise<readonly LogEntry[]> {
    const { life } = this;
    const entries = await this.log.read(number * PAGE, to, PAGE);
    if (full && life === this.life) this.keep(number, entries);
    return entries;
  }

  private keep(number: number, entries: readonly LogEntry[]): void {
    const bytes = entries.reduce((sum, entry) => sum + entry.bytes, 0);
    // A page that is trimmed away costs nothing to read, and there may be any number of them.
    if (bytes > MAX_KEPT_BYTES || entries.length === 0 || this.kept.has(number)) return;
    this.kept.set(number, { entries, bytes });
    this.keptBytes += bytes;
    for (const [oldest, page] of this.kept) {
      if (this.keptBytes <= MAX_KEPT_BYTES) break;
      this.kept.delete(oldest);
      this.keptBytes -= page.bytes;
    }
  }
}
