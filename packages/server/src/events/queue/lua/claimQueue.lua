#!lua flags=allow-oom
-- Writes the ownership record of the event queue in this Redis, unless it changed since the caller read it. `allow-oom`: a node must be able
-- to start while Redis is full (Q6).
--
-- KEYS 1 owner <prefix>:queuedeed  JSON
-- ARGV 1 life of the record, ms
--      2 the record that the caller read; '' when there was none
--      3 the new record
--
-- Result: the stored record
local found = redis.call('GET', KEYS[1]) or ''
if found ~= ARGV[2] then return found end
redis.call('SET', KEYS[1], ARGV[3], 'PX', ARGV[1])
return ARGV[3]
