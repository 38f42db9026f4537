import type { RedisClient } from '../../redis/connect.js';
import type { Keys } from '../../redis/keys.js';
import { ENDED, type FailureDetector } from './failureDetector.js';

/**
 * The leases of all nodes in the cluster now. Reads Redis each time: a node that the failure detector has not seen yet would be left out,
 * would keep its old settings, and nobody would notice.
 *
 * @throws when Redis does not answer.
 */
export async function presentLeases(
  redis: RedisClient,
  keys: Keys,
  failureDetector: FailureDetector,
): Promise<string[]> {
  const beats = await redis.hgetall(keys.nodes());
  return Object.keys(beats).filter((lease) => beats[lease] !== ENDED && !failureDetector.isDead(lease));
}
