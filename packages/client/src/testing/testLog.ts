/** What a position that a client gave is worth; docs/PROTOCOL.md, "Resume". */
export type ResumeResult = 'fresh' | 'full' | 'partial' | 'none';

/** Where a reader goes on. */
export interface ResumePlan<T> {
  readonly result: ResumeResult;
  /** The reader's position before `missed`; null: the log never had an entry. */
  readonly from: string | null;
  /** Entries after `from` that are gone, and the position of the last one. */
  readonly gaps: readonly { readonly from: string; readonly to: string }[];
  readonly missed: readonly { readonly position: string; readonly value: T }[];
}

const POSITION = /^([\w-]{1,64})\.(0|[1-9]\d{0,15})\.([\w-]{0,64})$/;

/** Whether a text has the form of a position. */
export const isPosition = (text: string): boolean => POSITION.test(text);

let epochs = 0;

function nextEpoch(): string {
  epochs += 1;
  return `test${epochs}`;
}

/** Each entry has another tag in a real log; here the epoch tells logs apart. */
const tagOf = (offset: number): string => (offset === 0 ? '' : `t${offset}`);

/** The broadcast log, or the mailbox of a user. */
export class TestLog<T> {
  private readonly isMailbox: boolean;
  private epoch = nextEpoch();
  private values = new Map<number, T>();
  private head = 0;
  private acknowledged = 0;
  /** Entries up to here are gone. */
  private floor = 0;

  /** @param kind a mailbox is empty until its first entry, and keeps what is not acknowledged for a reader without a position. */
  constructor(kind: 'log' | 'mailbox') {
    this.isMailbox = kind === 'mailbox';
  }

  /** Of the newest entry; null: there never was one. */
  get position(): string | null {
    return this.isMailbox && this.head === 0 ? null : this.text(this.head);
  }

  /** Returns the position of the new entry. */
  append(value: T): string {
    this.head += 1;
    this.values.set(this.head, value);
    return this.text(this.head);
  }

  /** What follows a position; '' and rubbish are none. */
  resume(position: string): ResumePlan<T> {
    const start = this.isMailbox ? this.acknowledged : this.head;
    if (!isPosition(position)) return this.plan('fresh', start);
    const offset = this.offsetOf(position);
    if (offset === null || this.position === null) return this.plan('none', start);
    if (offset < this.acknowledged) return this.plan('partial', this.acknowledged);
    return this.plan(offset < this.floor ? 'partial' : 'full', offset);
  }

  /** Deletes entries up to a position of this log. Another position is ignored. */
  acknowledge(position: string): void {
    const offset = this.offsetOf(position);
    if (offset === null || offset <= this.acknowledged) return;
    this.acknowledged = offset;
    this.deleteUpTo(offset);
  }

  /** Forgets all entries, as a history that is too short does. */
  trim(): void {
    this.deleteUpTo(this.head);
  }

  /** Another log takes its place: no position of before means anything. */
  reset(): void {
    this.epoch = nextEpoch();
    this.values.clear();
    this.head = 0;
    this.acknowledged = 0;
    this.floor = 0;
  }

  private deleteUpTo(offset: number): void {
    this.floor = Math.max(this.floor, offset);
    for (const at of this.values.keys()) if (at <= offset) this.values.delete(at);
  }

  private plan(result: ResumeResult, offset: number): ResumePlan<T> {
    if (this.position === null) return { result, from: null, gaps: [], missed: [] };
    const from = this.text(offset);
    const missed = [...this.values].filter(([at]) => at > offset);
    return {
      result,
      from,
      gaps: offset < this.floor ? [{ from, to: this.text(this.floor) }] : [],
      missed: missed.map(([at, value]) => ({ position: this.text(at), value })),
    };
  }

  /** Null: not a position of this log. */
  private offsetOf(position: string): number | null {
    const [, epoch, digits, tag] = POSITION.exec(position) ?? [];
    const offset = Number(digits);
    return epoch === this.epoch && offset <= this.head && tag === tagOf(offset) ? offset : null;
  }

  private text(offset: number): string {
    return `${this.epoch}.${offset}.${tagOf(offset)}`;
  }
}
