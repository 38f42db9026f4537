import type { RedisClient } from './connect.js';
import { LuaScript } from './luaScript.js';

const script = LuaScript.load('setOnce', new URL('./lua/setOnce.lua', import.meta.url));

/**
 * Sets a key permanently if it is absent, on a full Redis too.
 *
 * @returns the stored value.
 */
export async function setOnce(redis: RedisClient, key: string, value: string): Promise<string> {
  return String(await script.run(redis, [key], [value]));
}
