/** Maximum number of distinct names. Further names count as `other`. */
const MAX_NAMES = 200;
const OTHER = 'other';

/** Counts by name. Bounded, because names become metric labels and some come from outside. */
export class Tally {
  private readonly counts = new Map<string, number>();
  private sum = 0;

  add(name: string, by = 1): void {
    const known = this.counts.get(name);
    const key = known === undefined && this.counts.size >= MAX_NAMES ? OTHER : name;
    this.counts.set(key, (known ?? this.counts.get(key) ?? 0) + by);
    this.sum += by;
  }

  get total(): number {
    return this.sum;
  }

  toRecord(): Record<string, number> {
    return Object.fromEntries(this.counts);
  }
}
