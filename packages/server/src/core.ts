import type { TokenClock } from './auth/tokenClock.js';
import type { Logger, Report } from './observability/log/logger.js';
import type { RedisClient } from './redis/connect.js';
import type { Installation } from './redis/installation.js';
import type { Keys } from './redis/keys.js';
import type { Settings } from './settings/settings.js';
import type { Clock } from './util/clock.js';

/** What all parts of a node share. A class takes what it needs of it, by name: `Pick<Core, 'clock' | 'report'>`. */
export interface Core {
  readonly settings: Settings;
  readonly nodeId: string;
  /** Cluster time, and the monotonic clock of this machine. */
  readonly clock: Clock;
  /** By what tokens begin and end. */
  readonly tokenClock: TokenClock;
  /** A fraction, as `Math.random()` gives it. */
  readonly random: () => number;
  readonly logger: Logger;
  readonly report: Report;
  /** The connection to Redis for commands. */
  readonly redis: RedisClient;
  readonly keys: Keys;
  readonly installation: Installation;
}
