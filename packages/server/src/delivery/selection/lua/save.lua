#!lua flags=allow-oom
-- Stores what a user has chosen, all of it or none. `allow-oom`: the size is bounded like that of the
-- user's entry, which a full Redis accepts too, and users who connect then must be able to subscribe (Q6).
--
-- KEYS 1 saved  <prefix>:{u:<user>}:subs or :prefs   hash
-- ARGV 1 time to live, seconds
--      2 number of fields to set
--      3… these fields, each with its value; then fields to remove
--
-- Result: nothing
local set = 2 * tonumber(ARGV[2])
if set > 0 then
  redis.call('HSET', KEYS[1], unpack(ARGV, 3, 2 + set))
end
if #ARGV > 2 + set then
  redis.call('HDEL', KEYS[1], unpack(ARGV, 3 + set))
end
redis.call('EXPIRE', KEYS[1], ARGV[1])
