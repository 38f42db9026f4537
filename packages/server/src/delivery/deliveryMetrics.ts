import { counter, each, gauge, type Metric, one } from '../observability/metrics/metric.js';
import type { deliveryTotals } from './deliveryTotals.js';
import type { Fanout } from './fanout.js';
import type { Compression } from './frames/compression.js';
import type { Acks } from './user/acks.js';
import type { UserScope } from './user/userScope.js';

interface DeliverySource {
  readonly fanout: Pick<Fanout, 'counts' | 'cohorts' | 'readers' | 'recentEvents' | 'ephemeral' | 'ephemeralDelivery'>;
  readonly totals: ReturnType<typeof deliveryTotals>;
  readonly userScope: Pick<UserScope, 'counts' | 'waiting'>;
  readonly acks: Pick<Acks, 'counts'>;
  readonly compression: Pick<Compression, 'counts'>;
}

/** What connections received: of the broadcast log, of mailboxes, of ephemeral events. */
export const DELIVERY_METRICS: readonly Metric<DeliverySource>[] = [
  counter('uws_events_total', 'Broadcast events of the log that this node delivered.', ({ fanout }) =>
    one(fanout.counts.events),
  ),
  counter('uws_event_deliveries_total', 'Broadcast events sent, counted per connection.', ({ totals }) =>
    one(totals.deliveries),
  ),
  counter(
    'uws_event_flushes_total',
    'Flushes; each flush writes at most once to a connection, unless an event excludes its user.',
    ({ fanout }) => one(fanout.counts.flushes),
  ),
  counter('uws_socket_writes_total', 'Writes of events to sockets.', ({ totals }) => one(totals.writes)),
  counter('uws_event_bytes_total', 'Bytes of events written to sockets.', ({ totals }) => one(totals.bytes)),
  counter('uws_events_unknown_type_total', 'Events of a type that the catalogue of this node lacks.', ({ fanout }) =>
    one(fanout.counts.unknown),
  ),
  counter('uws_gaps_total', 'How often events could not be delivered and a gap was announced.', ({ totals }) =>
    one(totals.gaps),
  ),
  counter('uws_mailbox_deliveries_total', 'Events for single users written to connections.', ({ userScope }) =>
    one(userScope.counts.deliveries),
  ),
  counter(
    'uws_mailbox_unwanted_total',
    'Events for single users that were skipped: not subscribed, not permitted, or of an unknown type.',
    ({ userScope }) => one(userScope.counts.unwanted),
  ),
  counter('uws_mailbox_holes_total', 'Live batches that did not follow the last delivered event.', ({ userScope }) =>
    one(userScope.counts.holes),
  ),
  counter('uws_mailbox_reads_total', 'Pages read from mailboxes.', ({ userScope }) => one(userScope.counts.reads)),
  counter('uws_mailbox_gaps_total', 'How often a gap in a mailbox was announced.', ({ userScope }) =>
    one(userScope.counts.gaps),
  ),
  gauge('uws_mailbox_behind', 'Connections that are behind their mailbox.', ({ userScope }) => one(userScope.waiting)),
  counter(
    'uws_mailbox_acks_total',
    'Acknowledgements by result; ignored ones were old, of another epoch, or from a replaced connection.',
    ({ acks }) => each(acks.counts, 'result'),
    ['result'],
  ),
  gauge('uws_cohorts', 'Sets of connections that receive the same bytes.', ({ fanout }) => one(fanout.cohorts.size)),
  gauge('uws_cohort_members', 'Connections that receive events with their cohort.', ({ fanout }) =>
    one(fanout.cohorts.members),
  ),
  gauge('uws_readers', 'Connections with their own position: behind, or with their own filter.', ({ fanout }) =>
    one(fanout.readers.size),
  ),
  counter(
    'uws_events_replayed_total',
    'Events written to connections with their own position, by where the events were read.',
    ({ fanout: { readers } }) => [
      [readers.counts.replayed - readers.counts.fromLog, { source: 'window' }],
      [readers.counts.fromLog, { source: 'log' }],
    ],
    ['source'],
  ),
  gauge('uws_window_events', 'Recent broadcast events in memory.', ({ fanout }) => one(fanout.recentEvents.size)),
  gauge('uws_window_bytes', 'Bytes of those events as JSON.', ({ fanout }) => one(fanout.recentEvents.bytes)),

  counter('uws_ephemeral_received_total', 'Ephemeral events received over the bus.', ({ fanout }) =>
    one(fanout.ephemeral.counts.received),
  ),
  counter('uws_ephemeral_sent_total', 'Ephemeral events sent to connections.', ({ fanout }) =>
    one(fanout.ephemeral.counts.sent),
  ),
  counter(
    'uws_ephemeral_conflated_total',
    'Ephemeral events replaced by a later event of the same key before they were sent.',
    ({ fanout }) => one(fanout.ephemeral.counts.conflated),
  ),
  counter(
    'uws_ephemeral_dropped_total',
    'Ephemeral events that were not sent: over the rate of their type, expired, too many at once, on a fenced node, or the user had left.',
    ({ totals }) => each(totals.dropped, 'reason'),
    ['reason'],
  ),
  counter(
    'uws_ephemeral_withheld_total',
    'Ephemeral events not sent to a connection that was congested or over its message rate, counted per connection.',
    ({ fanout }) => one(fanout.ephemeralDelivery.counts.withheld),
  ),
  counter(
    'uws_compression_bytes_total',
    'Bytes of events before and after compression; each event counts once, however many connections get it.',
    ({ compression: { counts } }) => [
      [counts.bytesIn, { side: 'in' }],
      [counts.bytesOut, { side: 'out' }],
    ],
    ['side'],
  ),
  counter(
    'uws_compression_skipped_total',
    'Events that were not compressed because the event loop was busy.',
    ({ compression }) => one(compression.counts.skipped),
  ),
  counter(
    'uws_rate_limited_total',
    'Messages rate_limited sent: a connection exceeded its message rate.',
    ({ fanout }) => one(fanout.ephemeralDelivery.counts.notices),
  ),
];
