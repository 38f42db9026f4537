import type { Clock } from '../util/clock.js';

/**
 * The time by which tokens are checked. The issuer is a third machine, and neither this machine's wall clock nor cluster time is
 * certain to be right: a token is refused for its time only when both clocks refuse it.
 */
export interface TokenClock {
  /** A token that has expired by this time has expired by every clock, milliseconds since the epoch. */
  earliest(): number;
  /** A token that is not valid yet by this time is not valid yet by any clock, milliseconds since the epoch. */
  latest(): number;
}

export function tokenClock(...clocks: readonly Pick<Clock, 'now'>[]): TokenClock {
  return {
    earliest: () => Math.min(...clocks.map((clock) => clock.now())),
    latest: () => Math.max(...clocks.map((clock) => clock.now())),
  };
}
