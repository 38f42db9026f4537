#!lua flags=allow-oom
-- Cluster time: the clock of this Redis, without its steps. After a step back, cluster time goes on from where it was. A step ahead is
-- followed only when a node confirms that so much time has really passed: a ban must not end early because Redis failed over to a machine
-- whose clock is ahead. The remaining difference between the two clocks then shrinks slowly.
--
-- KEYS 1 time  {<prefix>:nodes}:time   hash: time (last cluster time returned, ms), shift (cluster time minus the clock of Redis, ms)
-- ARGV 1 the caller's own estimate of cluster time when it sent this (ms), '' when it has none. Cluster time is not earlier
--      2 about a time that is far ahead: '' not checked yet, 'passed' it really passed, 'stepped' the clock of Redis was set
--
-- Result: {cluster time (ms, with a fraction), the clock of Redis (same), last cluster time returned before ('' = never),
--          1 when it is far ahead and not checked: then nothing was stored, else 0}
--
-- A caller's estimate is off by less than this, ms: half a round trip.
local INEXACT = 500
-- Nodes ask each second. If more than this has passed since the last call, the time must be checked, ms.
local FAR = 2000
-- The difference between the clocks shrinks by this part of the time that passes. Slowly where cluster time has to run faster: nothing may
-- end early.
local SLOWER, FASTER = 1 / 20, 1 / 1000

local clock = redis.call('TIME')
local raw = clock[1] * 1000 + clock[2] / 1000
local stored = redis.call('HMGET', KEYS[1], 'time', 'shift')
local told, shift = tonumber(stored[1] or '0'), tonumber(stored[2] or '0')
local reckoned = tonumber(ARGV[1]) or 0

if told > 0 then
  local passed = math.max(0, raw + shift - told)
  if shift > 0 then
    shift = math.max(0, shift - passed * SLOWER)
  else
    shift = math.min(0, shift + passed * FASTER)
  end
end
local now = raw + shift
local least = math.max(told, reckoned)
if now < told or now < reckoned - INEXACT or (now > least + FAR and ARGV[2] == 'stepped') then
  now = least
  shift = now - raw
elseif least > 0 and now > least + FAR and ARGV[2] == '' then
  return { string.format('%.3f', now), string.format('%.3f', raw), stored[1] or '', 1 }
end
redis.call('HSET', KEYS[1], 'time', string.format('%.3f', now), 'shift', string.format('%.3f', shift))
return { string.format('%.3f', now), string.format('%.3f', raw), stored[1] or '', 0 }
