/** Jobs looked at in the first step of a walk; a step of 250 removals took Redis 1.2 ms where it was measured. */
const FIRST = 100;
const LEAST = 25;
const MOST = 500;
/** Milliseconds from request to answer, so Redis was busy for less. All others wait for it: far below the 20 ms allowed. */
const SLOW_MS = 6;
const QUICK_MS = 3;

/** How many jobs the next step of a walk looks at: as many as go by unnoticed on this machine, at this moment. */
export class StepSize {
  size = FIRST;

  took(ms: number): void {
    if (ms > SLOW_MS) this.size = Math.max(LEAST, Math.floor(this.size / 2));
    else if (ms < QUICK_MS) this.size = Math.min(MOST, this.size + 50);
  }
}
