import { counter, each, gauge, one, type ReadMetric, type Series } from './metric.js';

/** The event queue and its workers. */
export const QUEUE_METRICS: readonly ReadMetric[] = [
  gauge(
    'uws_queue_jobs',
    'Jobs in the queues of the whole cluster, by queue and state; the same on every node, so do not sum it over nodes.',
    ({ queue }) =>
      [...(queue?.counts ?? [])].flatMap(([name, counts]) =>
        Object.entries(counts).map(([state, count]): Series => [count, { queue: name, state }]),
      ),
    ['queue', 'state'],
  ),
  gauge(
    'uws_queue_paused',
    '1 while an admin has paused the queue; the same on every node, so do not sum it over nodes.',
    ({ queue }) =>
      [...(queue?.counts.keys() ?? [])].map((name): Series => [Number(queue?.paused.includes(name)), { queue: name }]),
    ['queue'],
  ),
  counter(
    'uws_queue_admin_total',
    'What admins did to the event queue through this node: cleared_jobs, cleared_events, retried_jobs, deleted_jobs.',
    ({ stats }) => each(stats.queue_admin, 'done'),
    ['done'],
  ),
  gauge(
    'uws_queue_sample_age_seconds',
    'Age of uws_queue_jobs, seconds; it grows while Redis is away.',
    ({ queue, mono }) => (queue === null ? [] : [[(mono - queue.at) / 1000]]),
  ),
  counter(
    'uws_worker_events_total',
    'Events that the workers of this node were done with, by queue and result.',
    ({ stats }) =>
      stats.queue_workers.lanes.flatMap(({ queue, appended, duplicates, expired, poisoned }): Series[] => [
        [appended, { queue, result: 'appended' }],
        [duplicates, { queue, result: 'duplicate' }],
        [expired, { queue, result: 'expired' }],
        [poisoned, { queue, result: 'poisoned' }],
      ]),
    ['queue', 'result'],
  ),
  counter(
    'uws_events_over_rate_total',
    'Durable events that this node appended over the rate of their type in the catalogue (events per minute); none is dropped for it.',
    ({ stats }) => each(stats.events_over_rate, 'type'),
    ['type'],
  ),
  gauge(
    'uws_worker_retrying_seconds',
    'How long a worker of this node has retried one job because something that it needs is away, seconds; 0: it does not.',
    ({ stats, now }) =>
      stats.queue_workers.lanes.map(({ queue, retrying }) => [
        retrying === null ? 0 : (now - Date.parse(retrying.since)) / 1000,
        { queue },
      ]),
    ['queue'],
  ),
  gauge(
    'uws_worker_stalled_seconds',
    'How long the job next in line of a queue was started by nobody, seconds; 0: all is well.',
    ({ stats }) => stats.queue_workers.lanes.map(({ queue, stalled_ms }) => [stalled_ms / 1000, { queue }]),
    ['queue'],
  ),
  counter(
    'uws_worker_renewals_total',
    'Workers of this node that were replaced: they started nothing (`stalled`), or gave up (`ended`).',
    ({ stats }) => each(stats.queue_workers.renewals, 'reason'),
    ['reason'],
  ),
  counter(
    'uws_publish_refused_total',
    'Publishes that this node refused for want of room: EVENT_QUEUE_MAX (`jobs`), or 80 % of the memory of Redis (`memory`).',
    ({ stats }) => each(stats.queue_workers.refused, 'reason'),
    ['reason'],
  ),
  gauge('uws_workers_standing_aside', '1 while the workers leave the jobs to other nodes.', ({ stats }) =>
    one(stats.queue_workers.standing_aside),
  ),
];
