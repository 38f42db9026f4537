import { counter, each, gauge, one, type ReadMetric } from './metric.js';

/** The way of the events: publishes, broadcast log, mailboxes, ephemeral ones, compression. */
export const DELIVERY_METRICS: readonly ReadMetric[] = [
  counter(
    'uws_publishes_total',
    'Events that publishers handed in, by result.',
    ({ stats }) => each(stats.publishes, 'result'),
    ['result'],
  ),
  counter('uws_events_total', 'Broadcast events that this node took from the log and delivered.', ({ stats }) =>
    one(stats.delivery.events),
  ),
  counter('uws_event_deliveries_total', 'Events times connections.', ({ stats }) => one(stats.delivery.deliveries)),
  counter(
    'uws_event_flushes_total',
    'Flushes; each writes at most once to a connection that no event excludes.',
    ({ stats }) => one(stats.delivery.flushes),
  ),
  counter('uws_socket_writes_total', 'Writes of events to sockets.', ({ stats }) => one(stats.delivery.writes)),
  counter('uws_event_bytes_total', 'Bytes of events written to sockets.', ({ stats }) => one(stats.delivery.bytes)),
  counter('uws_events_unknown_type_total', 'Events of a type that the catalogue of this node lacks.', ({ stats }) =>
    one(stats.delivery.unknown_types),
  ),
  counter('uws_gaps_total', 'Times that events could not be delivered and clients were told of a gap.', ({ stats }) =>
    one(stats.delivery.gaps),
  ),
  counter(
    'uws_mailbox_appends_total',
    'Events times mailboxes that the workers of this node were done with, by result.',
    ({ stats: { mailboxes } }) => [
      [mailboxes.appended, { result: 'appended' }],
      [mailboxes.duplicates, { result: 'duplicate' }],
    ],
    ['result'],
  ),
  counter(
    'uws_mailbox_trimmed_total',
    'Events that left a mailbox before they were acknowledged: too many, too large or too old.',
    ({ stats }) => one(stats.mailboxes.trimmed_unacknowledged),
  ),
  counter('uws_mailbox_deliveries_total', 'Targeted events written to connections.', ({ stats }) =>
    one(stats.mailboxes.deliveries),
  ),
  counter(
    'uws_mailbox_unwanted_total',
    'Targeted events passed over: not subscribed to, not permitted or of an unknown type.',
    ({ stats }) => one(stats.mailboxes.unwanted),
  ),
  counter('uws_mailbox_holes_total', 'Live batches that did not continue what was delivered.', ({ stats }) =>
    one(stats.mailboxes.holes),
  ),
  counter('uws_mailbox_reads_total', 'Pages read from mailboxes.', ({ stats }) => one(stats.mailboxes.reads)),
  counter('uws_mailbox_gaps_total', 'Times that a client was told of a gap in its mailbox.', ({ stats }) =>
    one(stats.mailboxes.gaps),
  ),
  gauge('uws_mailbox_behind', 'Connections that are behind their mailbox.', ({ stats }) => one(stats.mailboxes.behind)),
  counter(
    'uws_mailbox_acks_total',
    'Acknowledgements of mailboxes by result; ignored ones were older, of another epoch, or of a replaced connection.',
    ({ stats }) => each(stats.mailboxes.acks, 'result'),
    ['result'],
  ),
  gauge('uws_cohorts', 'Sets of connections that receive the same bytes.', ({ stats }) => one(stats.delivery.cohorts)),
  gauge('uws_cohort_members', 'Connections that receive events with their cohort.', ({ stats }) =>
    one(stats.delivery.members),
  ),
  gauge('uws_readers', 'Connections with a cursor of their own: behind, or served singly.', ({ stats }) =>
    one(stats.delivery.readers),
  ),
  counter(
    'uws_events_replayed_total',
    'Events written to connections with a cursor of their own, by where they came from.',
    ({ stats: { delivery } }) => [
      [delivery.replayed - delivery.replayed_from_log, { source: 'window' }],
      [delivery.replayed_from_log, { source: 'log' }],
    ],
    ['source'],
  ),
  gauge('uws_window_events', 'Newest broadcast events in memory.', ({ stats }) => one(stats.delivery.window_events)),
  gauge('uws_window_bytes', 'Bytes of those events as JSON.', ({ stats }) => one(stats.delivery.window_bytes)),
  gauge('uws_connections_congested', 'Connections whose peers take less than they are sent.', ({ stats }) =>
    one(stats.delivery.congested),
  ),
  counter(
    'uws_congestions_total',
    'How often connections were congested, by how it went on; began counts each of them.',
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
  counter('uws_ephemeral_absent_total', 'Targets of those that were not connected.', ({ stats }) =>
    one(stats.delivery.ephemeral.absent),
  ),
  counter('uws_ephemeral_received_total', 'Ephemeral events that came over the bus.', ({ stats }) =>
    one(stats.delivery.ephemeral.received),
  ),
  counter('uws_ephemeral_sent_total', 'Ephemeral events that went out to whoever is to have them.', ({ stats }) =>
    one(stats.delivery.ephemeral.sent),
  ),
  counter(
    'uws_ephemeral_conflated_total',
    'Ephemeral events that a later one of their key replaced before they went out.',
    ({ stats }) => one(stats.delivery.ephemeral.conflated),
  ),
  counter(
    'uws_ephemeral_dropped_total',
    "Ephemeral events that did not go out: over their type's rate, expired, too many at once, on a fenced node, or their user was gone.",
    ({ stats }) => each(stats.delivery.ephemeral.dropped, 'reason'),
    ['reason'],
  ),
  counter(
    'uws_ephemeral_withheld_total',
    'Ephemeral events times connections that were congested or over their message rate.',
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
    'Events that were not compressed because the event loop had no time for it.',
    ({ stats }) => one(stats.delivery.compression.skipped),
  ),
  counter('uws_rate_limited_total', 'Messages rate_limited.', ({ stats }) => one(stats.delivery.rate_limited)),
];
