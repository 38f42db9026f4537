import type { Report } from '../observability/log/logger.js';
import type { RedisClient } from './connect.js';

/** Whether Redis answers a PING on this connection within `ms`. What it says instead is reported. */
export async function answers(client: RedisClient | null, ms: number, report: Report, where: string): Promise<boolean> {
  if (client?.status !== 'ready') return false;
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<false>((resolve) => {
    timer = setTimeout(() => resolve(false), ms);
  });
  const ping = client.ping().then(
    () => true,
    (error: unknown) => {
      report(error, where);
      return false;
    },
  );
  try {
    return await Promise.race([ping, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** Connects a client that has not been connected yet. */
export async function connected(client: RedisClient): Promise<void> {
  if (client.status === 'wait') await client.connect();
}
