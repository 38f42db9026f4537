import { hrtime } from 'node:process';

/** Sources of time. `mono` never jumps and has one origin for all processes of a machine (CLOCK_MONOTONIC). */
export interface Clock {
  /** Wall clock, milliseconds since the epoch. */
  now(): number;
  /** Monotonic clock, milliseconds with a fraction. */
  mono(): number;
}

/**
 * The clock of Redis may step by less than this, ms, for example after a fail-over to a machine with a wrong clock. Keys whose time
 * to live Redis ends by its own clock are kept this much longer, so that none ends early.
 */
export const CLOCK_STEP_MS = 15 * 60 * 1000;

export const systemClock: Clock = {
  now: () => Date.now(),
  mono: () => Number(hrtime.bigint()) / 1e6,
};
