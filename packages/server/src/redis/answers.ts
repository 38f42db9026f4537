import type { Report } from '../observability/log/logger.js';
import { withTimeout } from '../util/withTimeout.js';
import type { RedisClient } from './connect.js';

/** Whether Redis answers a PING on this connection within `ms`. An error is reported. */
export async function answers(client: RedisClient | null, ms: number, report: Report, where: string): Promise<boolean> {
  if (client?.status !== 'ready') return false;
  const ping = client.ping().then(
    () => true,
    (error: unknown) => {
      report(error, where);
      return false;
    },
  );
  return withTimeout(ping, ms, false);
}

/** Connects a client that has not been connected yet. */
export async function connected(client: RedisClient): Promise<void> {
  if (client.status === 'wait') await client.connect();
}
