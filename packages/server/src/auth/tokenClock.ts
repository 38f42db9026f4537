import type { Clock } from '../util/clock.js';

/**
 * The time by which tokens are checked. Their issuer is a third machine, and neither the wall clock of this one nor cluster time is
 * surely right: a token is refused for its time only when both refuse it.
 */
export interface TokenClock {
  /** What is over by this is over by every clock, milliseconds since the epoch. */
  earliest(): number;
  /** What has not begun by this has not begun by any clock, milliseconds since the epoch. */
  latest(): number;
}

export function tokenClock(...clocks: readonly Pick<Clock, 'now'>[]): TokenClock {
  return {
    earliest: () => Math.min(...clocks.map((clock) => clock.now())),
    latest: () => Math.max(...clocks.map((clock) => clock.now())),
  };
}
