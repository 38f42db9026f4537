import { counter, each, gauge, one, type ReadMetric } from './metric.js';

/** The way of the events: publishes, broadcast log, mailboxes, ephemeral ones, compression. */
export const DELIVERY_METRICS: readonly ReadMetric[] = [
  counter('uws_publishes_total', 'Published events by result.', ({ stats }) => each(stats.publishes, 'result'), [
    'result',
  ]),
  counter('uws_events_total', 'Broadcast events of the log that this node delivered.', ({ stats }) =>
    one(stats.delivery.events),
  ),
  counter('uws_event_deliveries_total', 'Broadcast events sent, counted per connection.', ({ stats }) =>
    one(stats.delivery.deliveries),
  ),
  counter(
    'uws_event_flushes_total',
    'Flushes; each flush writes at most once to a connection, unless an event excludes its user.',
    ({ stats }) => one(stats.delivery.flushes),
  ),
  counter('uws_socket_writes_total', 'Writes of events to sockets.', ({ stats }) => one(stats.delivery.writes)),
  counter('uws_event_bytes_total', 'Bytes of events written to sockets.', ({ stats }) => one(stats.delivery.bytes)),
  counter('uws_events_unknown_type_total', 'Events of a type that the catalogue of this node lacks.', ({ stats }) =>
    one(stats.delivery.unknown_types),
  ),
  counter('uws_gaps_total', 'How often events could not be delivered and a gap was announced.', ({ stats }) =>
    one(stats.delivery.gaps),
  ),
  counter(
    'uws_mailbox_appends_total',
    'Events appended to mailboxes by the workers of this node, counted per mailbox, by result.',
    ({ stats: { mailboxes } }) => [
      [mailboxes.appended, { result: 'appended' }],
      [mailboxes.duplicates, { result: 'duplicate' }],
    ],
    ['result'],
  ),
  counter(
    'uws_mailbox_trimmed_total',
    'Events removed from a mailbox before they were acknowledged, because they were too many, too large or too old.',
    ({ stats }) => one(stats.mailboxes.trimmed_unacknowledged),
  ),
  counter('uws_mailbox_deliveries_total', 'Events for single users written to connections.', ({ stats }) =>
    one(stats.mailboxes.deliveries),
  ),
  counter(
    'uws_mailbox_unwanted_total',
    'Events for single users that were skipped: not subscribed, not permitted, or of an unknown type.',
    ({ stats }) => one(stats.mailboxes.unwanted),
  ),
  counter('uws_mailbox_holes_total', 'Live batches that did not follow the last delivered event.', ({ stats }) =>
    one(stats.mailboxes.holes),
  ),
  counter('uws_mailbox_reads_total', 'Pages read from mailboxes.', ({ stats }) => one(stats.mailboxes.reads)),
  counter('uws_mailbox_gaps_total', 'How often a gap in a mailbox was announced.', ({ stats }) =>
    one(stats.mailboxes.gaps),
  ),
  gauge('uws_mailbox_behind', 'Connections that are behind their mailbox.', ({ stats }) => one(stats.mailboxes.behind)),
  counter(
    'uws_mailbox_acks_total',
    'Acknowledgements by result; ignored ones were old, of another epoch, or from a replaced connection.',
    ({ stats }) => each(stats.mailboxes.acks, 'result'),
    ['result'],
  ),
  gauge('uws_cohorts', 'Sets of connections that receive the same bytes.', ({ stats }) => one(stats.delivery.cohorts)),
  gauge('uws_cohort_members', 'Connections that receive events with their cohort.', ({ stats }) =>
    one(stats.delivery.members),
  ),
  gauge('uws_readers', 'Connections with their own position: behind, or with their own filter.', ({ stats }) =>
    one(stats.delivery.readers),
  ),
  counter(
    'uws_events_replayed_total',
    'Events written to connections with their own position, by where the events were read.',
    ({ stats: { delivery } }) => [
      [delivery.replayed - delivery.replayed_from_log, { source: 'window' }],
      [delivery.replayed_from_log, { source: 'log' }],
    ],
    ['source'],
  ),
  gauge('uws_window_events', 'Recent broadcast events in memory.', ({ stats }) => one(stats.delivery.window_events)),
  gauge('uws_window_bytes', 'Bytes of those events as JSON.', ({ stats }) => one(stats.delivery.window_bytes)),
  gauge('uws_connections_congested', 'Connections whose client reads more slowly than the node sends.', ({ stats }) =>
    one(stats.delivery.congested),
  ),
  counter(
    'uws_congestions_total',
    'Congested connections by outcome; began counts each of them.',
    ({ stats: { delivery } }) => [
      [delivery.congestions, { outcome: 'began' }],
      [delivery.drained, { outcome: 'drained' }],
      [delivery.too_slow, { outcome: 'ended' }],
    ],
    ['outcome'],
  ),

  counter('uws_ephemeral_published_total', 'Ephemeral events that this node published.', ({ stats }) =>
    one(stats.delivery.ephemeral.published),
  ),
  counter('uws_ephemeral_absent_total', 'Target users of ephemeral events who were not connected.', ({ stats }) =>
    one(stats.delivery.ephemeral.absent),
  ),
  counter('uws_ephemeral_received_total', 'Ephemeral events received over the bus.', ({ stats }) =>
    one(stats.delivery.ephemeral.received),
  ),
  counter('uws_ephemeral_sent_total', 'Ephemeral events sent to connections.', ({ stats }) =>
    one(stats.delivery.ephemeral.sent),
  ),
  counter(
    'uws_ephemeral_conflated_total',
    'Ephemeral events replaced by a later event of the same key before they were sent.',
    ({ stats }) => one(stats.delivery.ephemeral.conflated),
  ),
  counter(
    'uws_ephemeral_dropped_total',
    'Ephemeral events that were not sent: over the rate of their type, expired, too many at once, on a fenced node, or the user had left.',
    ({ stats }) => each(stats.delivery.ephemeral.dropped, 'reason'),
    ['reason'],
  ),
  counter(
    'uws_ephemeral_withheld_total',
    'Ephemeral events not sent to a connection that was congested or over its message rate, counted per connection.',
    ({ stats }) => one(stats.delivery.ephemeral.withheld),
  ),
  counter(
    'uws_compression_bytes_total',
    'Bytes of events before and after compression; each event counts once, however many connections get it.',
    ({ stats: { delivery } }) => [
      [delivery.compression.bytes_in, { side: 'in' }],
      [delivery.compression.bytes_out, { side: 'out' }],
    ],
    ['side'],
  ),
  counter(
    'uws_compression_skipped_total',
    'Events that were not compressed because the event loop was busy.',
    ({ stats }) => one(stats.delivery.compression.skipped),
  ),
  counter(
    'uws_rate_limited_total',
    'Messages rate_limited sent: a connection exceeded its message rate.',
    ({ stats }) => one(stats.delivery.rate_limited),
  ),
];
