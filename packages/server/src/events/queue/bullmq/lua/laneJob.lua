#!lua flags=allow-oom
-- Reads, removes or retries one job, depending on its state at that moment: an active job is never changed, and only a failed one is retried.
-- Idempotent: the second time the state does not allow it. `allow-oom`, because removing jobs helps a full Redis. Reads and writes the
-- layout of BullMQ's keys.
--
-- KEYS 1 wait  2 active  3 delayed  4 failed  5 completed  6 meta  7 marker  8 the job
-- ARGV 1 id of the job
--      2 look, remove or retry
--      3 maximum size of a returned payload, bytes (look)
--
-- Result: {state in which it was found, 1 if it was removed or retried, else 0, bytes of its payload, fields}, with the fields of
--         lanePage.lua; an empty state when the job does not exist
-- Errors: none of its own.
local wait, active, delayed, failed, completed, meta, marker, job = unpack(KEYS)
local id, action = ARGV[1], ARGV[2]

local function state_of()
  if redis.call('EXISTS', job) == 0 then
    return ''
  elseif redis.call('LPOS', active, id) then
    return 'active'
  elseif redis.call('ZSCORE', completed, id) then
    return 'completed'
  elseif redis.call('ZSCORE', failed, id) then
    return 'failed'
  elseif redis.call('ZSCORE', delayed, id) then
    return 'delayed'
  end
  return 'waiting'
end

local state = state_of()
if state == '' then
  return { '', 0, 0, {} }
end
local bytes = redis.call('HSTRLEN', job, 'data')
local fields = redis.call('HMGET', job, 'name', 'timestamp', 'opts', 'processedOn', 'finishedOn', 'failedReason', 'pb')

if action == 'remove' and state ~= 'active' then
  if state == 'waiting' then
    redis.call('LREM', wait, 1, id)
  else
    redis.call('ZREM', ({ delayed = delayed, failed = failed, completed = completed })[state], id)
  end
  redis.call('UNLINK', job)
  return { state, 1, bytes, fields }
end

if action == 'retry' and state == 'failed' then
  redis.call('ZREM', failed, id)
  redis.call('HDEL', job, 'finishedOn', 'processedOn', 'failedReason', 'stacktrace', 'atm')
  redis.call('LPUSH', wait, id)
  -- A paused queue has no marker: resume sets it.
  if redis.call('HEXISTS', meta, 'paused') == 0 then
    redis.call('ZADD', marker, 0, '0')
  end
  return { state, 1, bytes, fields }
end

if action == 'look' and bytes <= tonumber(ARGV[3]) then
  fields[8] = redis.call('HGET', job, 'data')
end
return { state, 0, bytes, fields }
