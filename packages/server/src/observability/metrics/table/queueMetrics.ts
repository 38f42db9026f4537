import { counter, each, gauge, one, type ReadMetric, type Series } from './metric.js';

/** The event queue and its workers. */
export const QUEUE_METRICS: readonly ReadMetric[] = [
  gauge(
    'uws_queue_jobs',
    'Jobs in the queues of the whole cluster, by queue and state; every node reports the same value, so do not sum it over nodes.',
    ({ queue }) =>
      [...(queue?.counts ?? [])].flatMap(([name, counts]) =>
        Object.entries(counts).map(([state, count]): Series => [count, { queue: name, state }]),
      ),
    ['queue', 'state'],
  ),
  gauge(
    'uws_queue_paused',
    '1 while an admin has paused the queue; every node reports the same value, so do not sum it over nodes.',
    ({ queue }) =>
      [...(queue?.counts.keys() ?? [])].map((name): Series => [Number(queue?.paused.includes(name)), { queue: name }]),
    ['queue'],
  ),
  counter(
    'uws_queue_admin_total',
    'Admin actions on the event queue through this node: cleared_jobs, cleared_events, retried_jobs, deleted_jobs.',
    ({ stats }) => each(stats.queue_admin, 'done'),
    ['done'],
  ),
  gauge(
    'uws_queue_sample_age_seconds',
    'Age of uws_queue_jobs, seconds; it grows while Redis does not answer.',
    ({ queue, mono }) => (queue === null ? [] : [[(mono - queue.at) / 1000]]),
  ),
  counter(
    'uws_worker_events_total',
    'Events processed by the workers of this node, by queue and result.',
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
    'Durable events that this node appended above the rate of their type in the catalogue (events per minute); they are only counted, never dropped.',
    ({ stats }) => each(stats.events_over_rate, 'type'),
    ['type'],
  ),
  gauge(
    'uws_worker_retrying_seconds',
    'How long a worker of this node has been retrying one job because a dependency is not available, seconds; 0: it is not retrying.',
    ({ stats, now }) =>
      stats.queue_workers.lanes.map(({ queue, retrying }) => [
        retrying === null ? 0 : (now - Date.parse(retrying.since)) / 1000,
        { queue },
      ]),
    ['queue'],
  ),
  gauge(
    'uws_worker_stalled_seconds',
    'How long the next job of a queue has waited for a worker, seconds; 0: not stalled.',
    ({ stats }) => stats.queue_workers.lanes.map(({ queue, stalled_ms }) => [stalled_ms / 1000, { queue }]),
    ['queue'],
  ),
  counter(
    'uws_worker_renewals_total',
    'Workers of this node that were replaced because they started no job (`stalled`) or had ended (`ended`).',
    ({ stats }) => each(stats.queue_workers.renewals, 'reason'),
    ['reason'],
  ),
  counter(
    'uws_publish_refused_total',
    'Publishes that this node refused because there was no room: EVENT_QUEUE_MAX (`jobs`), or 80 % of the memory of Redis (`memory`).',
    ({ stats }) => each(stats.queue_workers.refused, 'reason'),
    ['reason'],
  ),
  gauge(
    'uws_workers_standing_aside',
    '1 while the workers of this node take no jobs, because the node cannot deliver.',
    ({ stats }) => one(stats.queue_workers.standing_aside),
  ),
];
