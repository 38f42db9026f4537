/** A number of places, and a queue of items that wait for one. */
export class Semaphore<T> {
  private readonly total: number;
  private readonly waiting = new Set<T>();
  private taken = 0;

  constructor(total: number) {
    this.total = total;
  }

  waits(one: T): boolean {
    return this.waiting.has(one);
  }

  forget(one: T): void {
    this.waiting.delete(one);
  }

  forgetAll(): void {
    this.waiting.clear();
  }

  /** False: no place is free, and the item was put into the queue. */
  take(one: T): boolean {
    if (this.taken < this.total) {
      this.taken += 1;
      return true;
    }
    this.waiting.add(one);
    return false;
  }

  giveBack(): void {
    this.taken -= 1;
  }

  /**
   * Takes as many waiting items from the queue as there are free places; they may try now. Call this repeatedly: an item that was
   * offered a place may not take it, and the items behind it would wait for ever.
   */
  offer(): T[] {
    const offered: T[] = [];
    for (const one of this.waiting) {
      if (offered.length >= this.total - this.taken) break;
      this.waiting.delete(one);
      offered.push(one);
    }
    return offered;
  }
}
