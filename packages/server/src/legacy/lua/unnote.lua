#!lua flags=allow-oom
-- Takes back the note of a legacy connection, unless another is noted by now. Idempotent.
--
-- KEYS 1 legacy <prefix>:{u:<user>}:legacy   hash, see note.lua
-- ARGV 1 group
--      2 conn
--      3 close code for when it comes back all the same, because its node could not be told to end it; 0: it is gone
--
-- Result: 1 done, 0 another is noted, or none
local stored = redis.call('HGET', KEYS[1], ARGV[1])
if not stored or cjson.decode(stored).c ~= ARGV[2] then
  return 0
end
if ARGV[3] == '0' then
  redis.call('HDEL', KEYS[1], ARGV[1])
else
  redis.call('HSET', KEYS[1], ARGV[1], cjson.encode({ c = '', l = '', t = 0, n = 0, code = tonumber(ARGV[3]) }))
end
return 1
