#!lua flags=allow-oom
-- Ensures that the log has an epoch, and returns its head. `allow-oom`, so that nodes can start while Redis is full.
--
-- KEYS 1 stream <prefix>:{log}:s
--      2 meta   <prefix>:{log}:meta   see append.lua
-- ARGV 1 epoch to use if the log has none
--      2 cluster time, ms
--
-- Result: {epoch, head offset, head tag}
local state = redis.call('HMGET', KEYS[2], 'epoch', 'offset', 'tag')
if state[1] then
  return { state[1], state[2] or '0', state[3] or '' }
end
-- Entries of a former log must not answer for positions of the new one (L1).
redis.call('UNLINK', KEYS[1])
redis.call('HSET', KEYS[2], 'epoch', ARGV[1], 'offset', 0, 'tag', '', 'bytes', 0, 'oldest', 0, 'rotated', ARGV[2])
return { ARGV[1], '0', '' }
