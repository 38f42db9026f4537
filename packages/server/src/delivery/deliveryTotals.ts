import type { Fanout } from './fanout.js';

type Counting = Pick<Fanout, 'counts' | 'readers' | 'ephemeral' | 'ephemeralDelivery'>;

/** What several parts of the delivery count together: cohorts, readers and ephemeral events. */
export function deliveryTotals({ counts, readers, ephemeral, ephemeralDelivery }: Counting) {
  const served = readers.counts;
  return {
    deliveries: counts.deliveries + served.replayed + ephemeralDelivery.counts.delivered,
    writes: counts.writes + served.writes,
    bytes: counts.bytes + served.bytes,
    gaps: counts.gaps + served.gaps,
    /** Ephemeral events that were not sent, by reason. */
    dropped: {
      rate: ephemeral.counts.dropped_rate,
      expired: ephemeral.counts.dropped_expired,
      full: ephemeral.counts.dropped_full,
      fenced: ephemeral.counts.dropped_fenced,
      gone: ephemeralDelivery.counts.missed,
    },
  };
}
