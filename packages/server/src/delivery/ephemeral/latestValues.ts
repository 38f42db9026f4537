/** What is kept of a value: its place in the order, and its size. */
export interface Sequenced {
  readonly seq: number;
  readonly bytes: number;
}

/** The newest value of each key, bounded: the oldest ones go first. */
export class LatestValues<V extends Sequenced> {
  private readonly maxValues: number;
  private readonly maxBytes: number;
  /** In the order of `seq`. */
  private readonly values = new Map<string, V>();
  private held = 0;

  constructor(maxValues: number, maxBytes: number) {
    this.maxValues = maxValues;
    this.maxBytes = maxBytes;
  }

  get size(): number {
    return this.values.size;
  }

  get bytes(): number {
    return this.held;
  }

  set(key: string, value: V): void {
    this.drop(key);
    this.values.set(key, value);
    this.held += value.bytes;
    for (const oldest of this.values.keys()) {
      if (this.values.size <= this.maxValues && this.held <= this.maxBytes) return;
      this.drop(oldest);
    }
  }

  /** Those after `seq` that fit, in order. */
  after(seq: number, fits: (value: V) => boolean): V[] {
    const found: V[] = [];
    for (const value of this.values.values()) if (value.seq > seq && fits(value)) found.push(value);
    return found;
  }

  private drop(key: string): void {
    const known = this.values.get(key);
    if (!known) return;
    this.values.delete(key);
    this.held -= known.bytes;
  }
}
