#!lua
-- Whether nothing of a queue waits, is in work, is due or is kept back by a pause, and none of some jobs is there. Then an event that is
-- appended now overtakes nothing that was accepted before (Q8).
--
-- KEYS 1 wait  2 active  3 paused (where some versions of BullMQ keep the jobs of a paused queue)  4 prioritized  5 delayed  6 meta
--      7.. jobs that must not be there, whatever their state
-- ARGV 1 cluster time, ms
--
-- Result: 1 when it is idle; 2 when it will be in a moment: a few jobs are left; 3 when many are left; 0 when it is paused, a job is due,
-- or one of the named jobs is there
-- Errors: none of its own.
local wait, active, paused, prioritized, delayed, meta = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6]
local FEW = 3
if redis.call('HEXISTS', meta, 'paused') == 1 or redis.call('LLEN', paused) > 0 or redis.call('ZCARD', prioritized) > 0 then
  return 0
end
local next = redis.call('ZRANGE', delayed, 0, 0, 'WITHSCORES')[2]
-- BullMQ keeps a counter in the low bits of the score.
if next and tonumber(next) / 0x1000 <= tonumber(ARGV[1]) then
  return 0
end
for i = 7, #KEYS do
  if redis.call('EXISTS', KEYS[i]) == 1 then
    return 0
  end
end
local left = redis.call('LLEN', wait) + redis.call('LLEN', active)
if left == 0 then
  return 1
end
return left <= FEW and 2 or 3
