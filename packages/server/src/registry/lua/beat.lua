#!lua flags=allow-oom
-- Writes the next beat of a lease and reads everybody's (C9). A script, so that a full Redis fences nobody (Q6).
--
-- KEYS 1 nodes  <prefix>:nodes   hash  lease -> beat
-- ARGV 1 lease
--      2 beat
--
-- Result: {1 when the lease was not there before, else 0; flat array of lease, beat, …}
local created = redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
return { created, redis.call('HGETALL', KEYS[1]) }
