#!lua flags=allow-oom
-- Takes a lock, keeps it or ends it. The holder is known by a token of its own, so that nobody ends the lock of another. Idempotent.
-- `allow-oom`: what needs a lock may be what helps a Redis that is full (Q6).
--
-- KEYS 1 lock  string: token; a lock with progress is a hash: token, progress
-- ARGV 1 token
--      2 until the lock lapses, ms; 0 ends it
--      3 progress, for everybody to read; left out: the lock is a string
--
-- Result: 1, or 0 when another has the lock (of an end: when the caller has it no more)
-- Errors: none of its own.
local progress, holder = ARGV[3], nil
if progress then
  holder = redis.call('HGET', KEYS[1], 'token')
else
  holder = redis.call('GET', KEYS[1])
end
if holder and holder ~= ARGV[1] then
  return 0
end
if ARGV[2] == '0' then
  return redis.call('DEL', KEYS[1])
end
if progress then
  redis.call('HSET', KEYS[1], 'token', ARGV[1], 'progress', progress)
  redis.call('PEXPIRE', KEYS[1], ARGV[2])
else
  redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
end
return 1
