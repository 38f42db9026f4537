import { setTimeout as sleep } from 'node:timers/promises';
import type { RedisClient } from '../../redis/connect.js';
import type { Keys } from '../../redis/keys.js';
import { Unmendable } from '../../redis/persist.js';
import { ENDED } from './failureDetector.js';
import { BEAT_INTERVAL_MS, nodeOfLease } from './lease.js';

/** A live node writes its next beat within this time; the beats are read this often. */
const PATIENCE_MS = 2.5 * BEAT_INTERVAL_MS;
const LOOK_MS = 100;

/**
 * Refuses to start beside nodes of a version before node cards when the database is not 0. Those nodes use the channels of database 0, so
 * neither side would hear the other, and evicts would be lost. In database 0 both versions work side by side.
 *
 * @throws Unmendable that names them.
 */
export async function refuseOldNodes(redis: RedisClient, keys: Keys, signal: AbortSignal): Promise<void> {
  if (keys.database === 0) return;
  const first = await cardless(redis, keys);
  const deadline = performance.now() + PATIENCE_MS;
  while (first.size > 0 && performance.now() < deadline) {
    await sleep(LOOK_MS, undefined, { signal });
    const now = await cardless(redis, keys);
    // The beat of a dead node does not change.
    const alive = [...now].filter(([lease, beat]) => first.get(lease) !== beat).map(([lease]) => nodeOfLease(lease));
    if (alive.length === 0) continue;
    throw new Unmendable(
      `nodes of an older version are alive in database ${keys.database} (${alive.sort().join(', ')}): they and this one would ` +
        'not hear each other. Stop all nodes of the older version first (docs/UPGRADING.md).',
    );
  }
}

/** Beats of leases that have no card. */
async function cardless(redis: RedisClient, keys: Keys): Promise<ReadonlyMap<string, string>> {
  // Cards are read last: a node of this version that starts meanwhile writes beat and card in one step.
  const beats = await redis.hgetall(keys.nodes());
  const cards = new Set(await redis.hkeys(keys.nodeCards()));
  return new Map(Object.entries(beats).filter(([lease, beat]) => beat !== ENDED && !cards.has(lease)));
}
