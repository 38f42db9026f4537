#!lua flags=no-writes
-- Returns the state of one queue: jobs and events per state, its oldest jobs, and whether it is paused. The number of events of a job is in
-- its options (eventCount.ts). Reading jobs blocks all of Redis, so of a long state only a sample is read: eight windows, evenly spread.
-- Reads the layout of BullMQ's keys.
--
-- KEYS 1 wait  2 active  3 delayed  4 failed  5 completed  6 meta
-- ARGV 1 prefix of the jobs' keys
--      2 maximum number of jobs to read per state
--
-- Result: {paused 0|1, {per state, in the order of KEYS: {jobs, jobs read, events of these}},
--          the next waiting job, the oldest active job: each {timestamp, opts (JSON), processed by}, or {}}
-- Errors: none of its own.
local prefix, most = ARGV[1], tonumber(ARGV[2])
local WINDOWS = 8

local function range(n, from, to)
  return redis.call(n <= 2 and 'LRANGE' or 'ZRANGE', KEYS[n], from, to)
end

local function count(n)
  local jobs = redis.call(n <= 2 and 'LLEN' or 'ZCARD', KEYS[n])
  local looked, events = 0, 0
  local function look(from, to)
    for _, id in ipairs(range(n, from, to)) do
      looked = looked + 1
      local options = redis.call('HGET', prefix .. id, 'opts')
      events = events + (options and tonumber(string.match(options, '"events":(%d+)')) or 1)
    end
  end
  if jobs <= most then
    look(0, -1)
  else
    local size = math.floor(most / WINDOWS)
    for window = 0, WINDOWS - 1 do
      local from = math.floor((jobs - size) * window / (WINDOWS - 1))
      look(from, from + size - 1)
    end
  end
  return { jobs, looked, events }
end

local function oldest(key)
  local id = redis.call('LINDEX', key, -1)
  if not id then
    return {}
  end
  local fields = redis.call('HMGET', prefix .. id, 'timestamp', 'opts', 'pb')
  return { fields[1] or '', fields[2] or '', fields[3] or '' }
end

local counts = {}
for n = 1, 5 do
  counts[n] = count(n)
end
return { redis.call('HEXISTS', KEYS[6], 'paused'), counts, oldest(KEYS[1]), oldest(KEYS[2]) }
