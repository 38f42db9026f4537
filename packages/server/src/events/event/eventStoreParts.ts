import type { Core } from '../../core.js';
import type { RandomBytes } from '../../util/pooledRandom.js';
import type { WholeIds } from './rememberedId.js';

/** What both the broadcast log and the mailboxes need. */
export interface EventStoreParts extends Pick<Core, 'redis' | 'keys'>, Partial<Pick<Core, 'clock'>> {
  readonly random: RandomBytes;
  /** IDEMPOTENCY_WINDOW_MS: appended ids are remembered for at least this long, and at most twice as long (L2). */
  readonly idempotencyWindowMs?: number;
  /** Use of whole ids, which the previous build remembers. Default: none. */
  readonly wholeIds?: () => WholeIds;
  /** Called with the time of the newest entry of a page, ms, before the page is returned (C6). */
  readonly onTime?: (time: number) => void;
}
