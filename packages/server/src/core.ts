import type { TokenClock } from './auth/tokenClock.js';
import type { Logger, Report } from './observability/log/logger.js';
import type { RedisClient } from './redis/connect.js';
import type { Installation } from './redis/installation.js';
import type { Keys } from './redis/keys.js';
import type { Settings } from './settings/settings.js';
import type { Clock } from './util/clock.js';

/** What all parts of a node share. A class picks what it needs: `Pick<Core, 'clock' | 'report'>`. */
export interface Core {
  readonly settings: Settings;
  readonly nodeId: string;
  /** Cluster time, and the monotonic clock of this machine. */
  readonly clock: Clock;
  /** The clock for the beginning and end of tokens. */
  readonly tokenClock: TokenClock;
  /** A random fraction, like `Math.random()`. */
  readonly random: () => number;
  readonly logger: Logger;
  readonly report: Report;
  /** The connection to Redis for commands. */
  readonly redis: RedisClient;
  readonly keys: Keys;
  readonly installation: Installation;
}
