import { counter, gauge, type Metric, one } from '../observability/metrics/metric.js';
import type { RedisClient } from './connect.js';
import type { Installation } from './installation.js';

interface RedisSource {
  readonly redis: Pick<RedisClient, 'status'>;
  readonly subscriber: Pick<RedisClient, 'status'>;
  readonly installation: Pick<Installation, 'foreign'>;
}

/** The connections to Redis. */
export const REDIS_METRICS: readonly Metric<RedisSource>[] = [
  gauge(
    'uws_redis_connected',
    '1 while the connection to Redis is up.',
    ({ redis, subscriber }) =>
      Object.entries({ command: redis, subscriber }).map(([connection, { status }]) => [
        Number(status === 'ready'),
        { connection },
      ]),
    ['connection'],
  ),
  counter(
    'uws_foreign_messages_total',
    'Messages between nodes that carried the id of another installation and were dropped.',
    ({ installation }) => one(installation.foreign),
  ),
];
