import { hrtime } from 'node:process';

/** Sources of time. `mono` never jumps and has one origin for all processes of a machine (CLOCK_MONOTONIC). */
export interface Clock {
  /** Wall clock, milliseconds since the epoch. */
  now(): number;
  /** Monotonic clock, milliseconds with a fraction. */
  mono(): number;
}

export const systemClock: Clock = {
  now: () => Date.now(),
  mono: () => Number(hrtime.bigint()) / 1e6,
};
