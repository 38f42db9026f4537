/** A number of places, and those who wait for one, in turn. */
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

  /** False: none is free, and it waits for one. */
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
   * Those who may try now, as many as there are free places; they wait no more. To be asked for again and again: whoever was offered a
   * place may not take it, and those behind would wait for ever.
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
