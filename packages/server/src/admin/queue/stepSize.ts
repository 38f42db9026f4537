/** Jobs in the first step of a walk; a step of 250 removals kept Redis busy for 1.2 ms when measured. */
const FIRST = 100;
const LEAST = 25;
const MOST = 500;
/** Target milliseconds from request to answer; Redis is busy for less. Other commands wait for that: far below the 20 ms allowed. */
const SLOW_MS = 6;
const QUICK_MS = 3;

/** How many jobs the next step of a walk takes: as many as do not delay others on this machine at the moment. */
export class StepSize {
  size = FIRST;

  took(ms: number): void {
    if (ms > SLOW_MS) this.size = Math.max(LEAST, Math.floor(this.size / 2));
    else if (ms < QUICK_MS) this.size = Math.min(MOST, this.size + 50);
  }
}
