#!lua flags=no-writes
-- Reads a page of the jobs of one state of one queue. Waiting, active and delayed jobs: the next to run first. Failed and completed jobs:
-- the last to finish first. Reads the layout of BullMQ's keys.
--
-- KEYS 1 the state's list (wait, active) or sorted set
-- ARGV 1 prefix of the jobs' keys
--      2 order: tail (of a list), low or high (scores first)
--      3 first index, 4 last index, included
--      5 maximum size of a returned payload, bytes  6 the same for the whole page
--
-- Result: per job {id, bytes of its payload, fields}, with the fields of HMGET name timestamp opts processedOn finishedOn
--         failedReason pb data; data is missing when it is too large. A job without a hash is left out.
-- Errors: none of its own.
local prefix, order = ARGV[1], ARGV[2]
local first, last = tonumber(ARGV[3]), tonumber(ARGV[4])
local most, budget = tonumber(ARGV[5]), tonumber(ARGV[6])

local ids = {}
if order == 'tail' then
  local found = redis.call('LRANGE', KEYS[1], -(last + 1), -(first + 1))
  for i = #found, 1, -1 do
    ids[#ids + 1] = found[i]
  end
else
  ids = redis.call(order == 'high' and 'ZREVRANGE' or 'ZRANGE', KEYS[1], first, last)
end

local jobs = {}
for _, id in ipairs(ids) do
  local key = prefix .. id
  if redis.call('EXISTS', key) == 1 then
    local bytes = redis.call('HSTRLEN', key, 'data')
    local fields =
      redis.call('HMGET', key, 'name', 'timestamp', 'opts', 'processedOn', 'finishedOn', 'failedReason', 'pb')
    if bytes <= most and bytes <= budget then
      budget = budget - bytes
      fields[8] = redis.call('HGET', key, 'data')
    end
    jobs[#jobs + 1] = { id, bytes, fields }
  end
end
return jobs
