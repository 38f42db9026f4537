import type { RedisClient } from '../../redis/connect.js';
import { Unmendable } from '../../redis/persist.js';
import { setOnce } from '../../redis/setOnce.js';

/**
 * Agrees with the other nodes on the number of partitions; the first one sets it. With another number a key would go to another
 * queue than before: jobs orphaned, order broken (Q7).
 *
 * @throws Unmendable when the cluster runs with another number.
 */
export async function agreeOnPartitions(redis: RedisClient, key: string, partitions: number): Promise<void> {
  const stored = await setOnce(redis, key, String(partitions));
  if (stored === String(partitions)) return;
  throw new Unmendable(
    `EVENT_QUEUE_PARTITIONS is ${partitions}, but this cluster runs with ${stored}. To change it: stop publishing, ` +
      `wait until the queues are empty, stop every node, delete the Redis key ${key}, and start all nodes with the ` +
      'new number.',
  );
}
