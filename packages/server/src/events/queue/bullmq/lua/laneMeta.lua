#!lua flags=allow-oom
-- Writes settings of a queue where they are missing or different (Q4). `allow-oom`, so that nodes can start while Redis is full.
--
-- KEYS 1 meta   hash of BullMQ
-- ARGV 1… fields and values
--
-- Result: number of fields that were written
local written = 0
for i = 1, #ARGV, 2 do
  if redis.call('HGET', KEYS[1], ARGV[i]) ~= ARGV[i + 1] then
    redis.call('HSET', KEYS[1], ARGV[i], ARGV[i + 1])
    written = written + 1
  end
end
return written
