#!lua flags=allow-oom
-- Gives the log a new epoch, if it still has the named one: positions of the old epoch are no longer valid (L1). The entries stay, and the
-- offsets go on. Idempotent: if several nodes find that the log was set back, only the first changes it. `allow-oom`, so that nodes can
-- follow the log again while Redis is full.
--
-- KEYS 1 meta <prefix>:{log}:meta   hash
-- ARGV 1 the epoch that was found to be wrong
--      2 the new epoch
--
-- Result: {epoch, head offset, head tag, the epoch before this one or ''}
-- Errors: none of its own.
local meta = redis.call('HMGET', KEYS[1], 'epoch', 'offset', 'tag', 'rotated_from')
if meta[1] == ARGV[1] then
  redis.call('HSET', KEYS[1], 'epoch', ARGV[2], 'rotated_from', ARGV[1])
  return { ARGV[2], meta[2] or '0', meta[3] or '', ARGV[1] }
end
return { meta[1] or '', meta[2] or '0', meta[3] or '', meta[4] or '' }
