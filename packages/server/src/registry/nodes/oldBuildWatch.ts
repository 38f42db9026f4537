import type { Clock } from '../../util/clock.js';
import type { FailureDetector } from './failureDetector.js';
import type { NodeCards } from './nodeCards.js';

interface OldBuildWatchParts {
  readonly failureDetector: Pick<FailureDetector, 'live'>;
  readonly cards: Pick<NodeCards, 'of' | 'declare'>;
  readonly clock: Clock;
}

/** For this long, ms, data for or from a node of the build before the cards may matter. */
const COUNTS_MS = 30 * 60_000;
/** The card is rewritten for this at most this often, ms. */
const TELL_EVERY_MS = 60_000;

/**
 * Whether nodes of the build before the cards are, or recently were, in the cluster. Each node puts into its card
 * when it last saw such a node, so a node that starts after the last one left knows too.
 */
export class OldBuildWatch {
  private readonly parts: OldBuildWatchParts;
  private readonly startedAt: number;
  private seenAt = Number.NEGATIVE_INFINITY;
  private reportedAt = Number.NEGATIVE_INFINITY;

  constructor(parts: OldBuildWatchParts) {
    this.parts = parts;
    this.startedAt = parts.clock.mono();
  }

  /** To be called each second. */
  look(): void {
    const { failureDetector, cards, clock } = this.parts;
    const now = clock.now();
    for (const lease of failureDetector.live()) {
      const card = cards.of(lease);
      const seen = card === undefined ? now : card.old_seen;
      if (seen !== undefined) this.seenAt = Math.max(this.seenAt, seen);
    }
    if (this.seenAt - this.reportedAt < TELL_EVERY_MS) return;
    this.reportedAt = this.seenAt;
    cards.declare({ old_seen: this.seenAt });
  }

  /** Old nodes may read what this node writes. */
  get mayRead(): boolean {
    return this.parts.clock.now() - this.seenAt < COUNTS_MS;
  }

  /** There may be data of old nodes, even if all of them left before this node started. */
  get haveWritten(): boolean {
    return this.mayRead || this.parts.clock.mono() - this.startedAt < COUNTS_MS;
  }
}
