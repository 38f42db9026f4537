#!lua flags=allow-oom
-- Stores what others may read about a connection, if it is the current one. Idempotent.
--
-- KEYS 1 entry  <prefix>:{u:<user>}:conn   hash
-- ARGV 1 conn id
--      2 fence
--      3 facts (JSON)
--
-- Result: 1 stored, 0 not the current one
local entry = redis.call('HMGET', KEYS[1], 'conn', 'fence')
if entry[1] ~= ARGV[1] or entry[2] ~= ARGV[2] then
  return 0
end
redis.call('HSET', KEYS[1], 'facts', ARGV[3])
return 1
