import type { RedisClient } from '../../redis/connect.js';
import { LuaScript } from '../../redis/luaScript.js';
import { SAVED_TTL_S } from '../../registry/store/registryStore.js';

const script = LuaScript.load('save', new URL('./lua/save.lua', import.meta.url));

/**
 * Stores what a user has chosen: all of it or none. Idempotent.
 *
 * @param set fields and values in turn.
 * @throws whatever the connection says; it is not known then whether the change was stored.
 */
export async function save(
  redis: RedisClient,
  key: string,
  set: readonly string[],
  forget: readonly string[] = [],
): Promise<void> {
  await script.run(redis, [key], [SAVED_TTL_S, set.length / 2, ...set, ...forget]);
}
