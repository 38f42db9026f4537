#!lua flags=allow-oom
-- Lifts a ban. Other orders about the user's tokens stay in force.
--
-- KEYS 1 revoked <prefix>:{u:<user>}:revoked   hash; see revoke.lua
-- ARGV 1 time to live of the remaining record, seconds, when the ban had made it permanent
--      2 cluster time, ms
--
-- Result: 1 when a ban was in force, 0 when none was
local until_ms = redis.call('HGET', KEYS[1], 'ban_until')
if not until_ms then
  return 0
end
redis.call('HDEL', KEYS[1], 'ban_until', 'ban_reason')
if redis.call('TTL', KEYS[1]) == -1 then
  redis.call('EXPIRE', KEYS[1], ARGV[1])
end
local now = math.max(tonumber(ARGV[2]), tonumber(redis.call('HGET', KEYS[1], 'at') or '0'))
return (tonumber(until_ms) == 0 or tonumber(until_ms) > now) and 1 or 0
