import type { RedisClient } from './connect.js';
import { LuaScript } from './luaScript.js';

const script = LuaScript.load('setOnce', new URL('./lua/setOnce.lua', import.meta.url));

/**
 * Sets a key that is not there, on a full Redis too.
 *
 * @param ttlMs its time to live; null: for good.
 * @returns whether it was set, and what it holds.
 */
export async function setOnce(
  redis: RedisClient,
  key: string,
  value: string,
  ttlMs: number | null = null,
): Promise<{ readonly set: boolean; readonly value: string }> {
  const [set, found] = (await script.run(redis, [key], [value, ttlMs ?? ''])) as [number, string];
  return { set: set === 1, value: found };
}
