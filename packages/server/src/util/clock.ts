import { hrtime } from 'node:process';

/** Sources of time. `mono` never jumps and has one origin for all processes of a machine (CLOCK_MONOTONIC). */
export interface Clock {
  /** Wall clock, milliseconds since the epoch. */
  now(): number;
  /** Monotonic clock, milliseconds with a fraction. */
  mono(): number;
}

/**
 * The clock of a Redis may step by less than this, ms: a machine to which it failed over was off. What Redis ends by its own clock (keys
 * with a time to live) is kept for so much longer, so that nothing ends early.
 */
export const CLOCK_STEP_MS = 15 * 60 * 1000;

export const systemClock: Clock = {
  now: () => Date.now(),
  mono: () => Number(hrtime.bigint()) / 1e6,
};
