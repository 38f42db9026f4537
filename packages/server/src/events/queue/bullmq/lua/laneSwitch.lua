#!lua flags=allow-oom
-- Pauses or resumes a queue. `allow-oom`, because an admin pauses when Redis is full, and resuming empties the queue; BullMQ's own script
-- would be refused then. Writes the layout of BullMQ's keys: workers read `paused`, and wait for the marker.
--
-- KEYS 1 wait  2 delayed  3 meta  4 marker
-- ARGV 1 1 to pause, 0 to resume
--
-- Result: nothing
-- Errors: none of its own.
local wait, delayed, meta, marker = unpack(KEYS)
if ARGV[1] == '1' then
  redis.call('HSET', meta, 'paused', '1')
  redis.call('DEL', marker)
  return
end
redis.call('HDEL', meta, 'paused')
if redis.call('LLEN', wait) > 0 then
  redis.call('ZADD', marker, 0, '0')
  return
end
local next = redis.call('ZRANGE', delayed, 0, 0, 'WITHSCORES')[2]
if next then
  -- BullMQ keeps a counter in the low bits of the score.
  redis.call('ZADD', marker, tonumber(next) / 0x1000, '1')
end
