/** Reproducible random numbers (mulberry32): a failing run is repeated by its seed. */
export class Random {
  readonly seed: number;
  private state: number;

  constructor(seed: number) {
    this.seed = seed;
    this.state = seed >>> 0;
  }

  /** In [0, 1). */
  next(): number {
    this.state = (this.state + 0x6d2b79f5) >>> 0;
    let t = this.state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  }

  /** A whole number, both ends included. */
  int(min: number, max: number): number {
    return min + Math.floor(this.next() * (max - min + 1));
  }

  chance(probability: number): boolean {
    return this.next() < probability;
  }

  pick<T>(items: readonly T[]): T {
    return items[this.int(0, items.length - 1)] as T;
  }

  /** A stream of its own for a part, so that the order in which parts draw changes nothing. */
  fork(part: number): Random {
    return new Random((this.seed ^ Math.imul(part + 1, 0x9e3779b1)) >>> 0);
  }

  /** Text for the id of a client instance. */
  id(): string {
    return Array.from({ length: 12 }, () => this.pick([...'abcdefghijkmnpqrstuvwxyz23456789'])).join('');
  }
}
