#!lua flags=allow-oom
-- Takes, extends or releases a lock. Each holder has its own token, so that no holder releases the lock of another. Idempotent.
-- `allow-oom`: an operation that needs the lock may be the one that frees a full Redis (Q6).
--
-- KEYS 1 lock  string: token; a lock with progress is a hash: token, progress
-- ARGV 1 token
--      2 time until the lock lapses, ms; 0 releases the lock
--      3 progress, readable by all nodes; left out: the lock is a string
--
-- Result: 1, or 0 when another holder has the lock (of a release: when the caller no longer has it)
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
