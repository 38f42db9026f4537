import { counter, each, gauge, type Metric, one, type Series } from '../observability/metrics/metric.js';
import type { Clock } from '../util/clock.js';
import type { Mailboxes } from './mailbox/mailboxes.js';
import type { EphemeralSender } from './publish/ephemeralSender.js';
import type { TypeRates } from './publish/typeRates.js';
import type { EventQueues } from './queue/eventQueues.js';
import type { QueueSample } from './queue/queueSample.js';

interface EventSource {
  readonly clock: Clock;
  /** Null before the first one. */
  readonly sample: ReturnType<QueueSample['look']>;
  readonly workers: ReturnType<EventQueues['stats']>;
  readonly typeRates: Pick<TypeRates, 'over'>;
  readonly mailboxes: Pick<Mailboxes, 'counts'>;
  readonly ephemeral: Pick<EphemeralSender, 'counts'>;
}

/** The event queue and its workers, mailboxes, and published ephemeral events. */
export const EVENT_METRICS: readonly Metric<EventSource>[] = [
  gauge(
    'uws_queue_jobs',
    'Jobs in the queues of the whole cluster, by queue and state; every node reports the same value, so do not sum it over nodes.',
    ({ sample }) =>
      [...(sample?.counts ?? [])].flatMap(([name, counts]) =>
        Object.entries(counts).map(([state, count]): Series => [count, { queue: name, state }]),
      ),
    ['queue', 'state'],
  ),
  gauge(
    'uws_queue_paused',
    '1 while an admin has paused the queue; every node reports the same value, so do not sum it over nodes.',
    ({ sample }) =>
      [...(sample?.counts.keys() ?? [])].map(
        (name): Series => [Number(sample?.paused.includes(name)), { queue: name }],
      ),
    ['queue'],
  ),
  gauge(
    'uws_queue_sample_age_seconds',
    'Age of uws_queue_jobs, seconds; it grows while Redis does not answer.',
    ({ sample, clock }) => (sample === null ? [] : [[(clock.mono() - sample.at) / 1000]]),
  ),
  counter(
    'uws_worker_events_total',
    'Events processed by the workers of this node, by queue and result.',
    ({ workers }) =>
      workers.lanes.flatMap(({ queue, appended, duplicates, expired, poisoned }): Series[] => [
        [appended, { queue, result: 'appended' }],
        [duplicates, { queue, result: 'duplicate' }],
        [expired, { queue, result: 'expired' }],
        [poisoned, { queue, result: 'poisoned' }],
      ]),
    ['queue', 'result'],
  ),
  counter(
    'uws_events_accepted_total',
    'Durable events published at this node, by queue and way: direct (appended at once, past the queue) or queued (became a job).',
    ({ workers }) =>
      workers.lanes.flatMap(({ queue, direct, queued }): Series[] => [
        [direct, { queue, way: 'direct' }],
        [queued, { queue, way: 'queued' }],
      ]),
    ['queue', 'way'],
  ),
  counter(
    'uws_events_over_rate_total',
    'Durable events that this node appended above the rate of their type in the catalogue (events per minute); they are only counted, never dropped.',
    ({ typeRates }) => each(typeRates.over.toRecord(), 'type'),
    ['type'],
  ),
  gauge(
    'uws_worker_retrying_seconds',
    'How long a worker of this node has been retrying one job because a dependency is not available, seconds; 0: it is not retrying.',
    ({ workers, clock }) =>
      workers.lanes.map(({ queue, retrying }) => [
        retrying === null ? 0 : (clock.now() - retrying.since) / 1000,
        { queue },
      ]),
    ['queue'],
  ),
  gauge(
    'uws_worker_stalled_seconds',
    'How long the next job of a queue has waited for a worker, seconds; 0: not stalled.',
    ({ workers }) => workers.lanes.map(({ queue, stalledMs }) => [Math.round(stalledMs) / 1000, { queue }]),
    ['queue'],
  ),
  counter(
    'uws_worker_renewals_total',
    'Workers of this node that were replaced because they started no job (`stalled`) or had ended (`ended`).',
    ({ workers }) => each(workers.renewals, 'reason'),
    ['reason'],
  ),
  counter(
    'uws_publish_refused_total',
    'Publishes that this node refused because there was no room: EVENT_QUEUE_MAX (`jobs`), or 80 % of the memory of Redis (`memory`).',
    ({ workers }) => each(workers.refused, 'reason'),
    ['reason'],
  ),
  gauge(
    'uws_workers_standing_aside',
    '1 while the workers of this node take no jobs, because the node cannot deliver.',
    ({ workers }) => one(workers.standingAside),
  ),
  counter(
    'uws_mailbox_appends_total',
    'Events appended to mailboxes by the workers of this node, counted per mailbox, by result.',
    ({ mailboxes: { counts } }) => [
      [counts.appended, { result: 'appended' }],
      [counts.duplicates, { result: 'duplicate' }],
    ],
    ['result'],
  ),
  counter(
    'uws_mailbox_trimmed_total',
    'Events removed from a mailbox before they were acknowledged, because they were too many, too large or too old.',
    ({ mailboxes }) => one(mailboxes.counts.trimmedUnacknowledged),
  ),
  counter('uws_ephemeral_published_total', 'Ephemeral events that this node published.', ({ ephemeral }) =>
    one(ephemeral.counts.published),
  ),
  counter('uws_ephemeral_absent_total', 'Target users of ephemeral events who were not connected.', ({ ephemeral }) =>
    one(ephemeral.counts.absent),
  ),
];
