import { LuaScript } from '../../../redis/luaScript.js';
import type { QueueEngine } from '../queueEngine.js';
import { BullmqQueue } from './bullmqQueue.js';

export const bullmqEngine: QueueEngine = {
  open: (setup) => new BullmqQueue(setup),
  idle: LuaScript.load('laneIdle', new URL('./lua/laneIdle.lua', import.meta.url)),
  // Of BullMQ's scripts and ours; `requirements.test.ts` compares.
  commands: [
    'BZPOPMIN key 1',
    'HINCRBY key a 1',
    'HMSET key a b',
    'HSTRLEN key a',
    'INCR key',
    'RPOP key',
    'LSET key 0 a',
    'LTRIM key 0 0',
    'RPOPLPUSH key key',
    'RPUSH key a',
    'SCARD key',
    'SMEMBERS key',
    'ZPOPMIN key',
    'ZRANGEBYSCORE key 0 0',
    'ZRANK key a',
    'ZREMRANGEBYSCORE key 0 0',
    'ZREVRANGE key 0 0',
    'ZREVRANGEBYSCORE key 0 0',
  ],
  keyOf: (prefix, name) => `${prefix}:${name}:wait`,
};
