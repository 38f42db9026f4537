#!lua flags=allow-oom
-- Writes whose the event queue in this Redis is, unless that changed since the caller read it. `allow-oom`: a node must start on a full
-- Redis (Q6).
--
-- KEYS 1 owner <prefix>:queuedeed  JSON
-- ARGV 1 time for which it holds, ms
--      2 what the caller read; '' when there was none
--      3 the new one
--
-- Result: what stands there now.
local found = redis.call('GET', KEYS[1]) or ''
if found ~= ARGV[2] then return found end
redis.call('SET', KEYS[1], ARGV[3], 'PX', ARGV[1])
return ARGV[3]
