import type { RedisClient } from '../../redis/connect.js';
import type { Keys } from '../../redis/keys.js';
import { ENDED, type FailureDetector } from './failureDetector.js';

/**
 * Everybody in the cluster at this moment. Read afresh: a node that the failure detector has not seen yet would go on with what was in force
 * before, and nobody would know.
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
