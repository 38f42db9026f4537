#!lua flags=allow-oom
-- Removes the note of a legacy connection. Idempotent.
--
-- KEYS 1 legacy <prefix>:{u:<user>}:legacy   hash, see register.lua
-- ARGV 1 conn
--      2 close code: keeps the note with this code, because the node could not be told to end the connection; 0: removes the note
--
-- Result: 1 done, 0 there is no such note
local stored = redis.call('HGET', KEYS[1], ARGV[1])
if not stored then
  return 0
end
if ARGV[2] == '0' then
  return redis.call('HDEL', KEYS[1], ARGV[1])
end
local note = cjson.decode(stored)
note.code = tonumber(ARGV[2])
redis.call('HSET', KEYS[1], ARGV[1], cjson.encode(note))
return 1
