#!lua flags=allow-oom
-- Takes the turn of clearing the event queue, or keeps it, and tells how far the clear is. `allow-oom`, because clearing is
-- what helps a Redis that is full.
--
-- KEYS 1 turn <prefix>:clear   hash: token, progress (JSON)
-- ARGV 1 token of who clears
--      2 progress (JSON)
--      3 until the turn lapses, ms
--
-- Result: 1, or 0 when another one has the turn
-- Errors: none of its own.
local token = redis.call('HGET', KEYS[1], 'token')
if token and token ~= ARGV[1] then
  return 0
end
redis.call('HSET', KEYS[1], 'token', ARGV[1], 'progress', ARGV[2])
redis.call('PEXPIRE', KEYS[1], ARGV[3])
return 1
