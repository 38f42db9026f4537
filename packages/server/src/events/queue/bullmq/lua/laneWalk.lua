#!lua flags=allow-oom
-- One step of a walk over the jobs of one state of one queue: reads the next few jobs, and counts, removes or retries those that match. The
-- walk goes from the jobs that run next to those added last (a list from its tail, a sorted set from the lowest score). The caller passes
-- the last job that was kept, from which the walk continues: changes in between make it read jobs again, but never miss one. If the
-- caller stops between two steps, the queue still works (Q5). Idempotent.
--
-- Redis is blocked while it runs, so the caller keeps the steps small. In a list all removals of a step cost one pass from the nearer end:
-- the entries are overwritten first, then removed together.
--
-- `allow-oom`, because clearing helps a full Redis. Reads and writes the layout of BullMQ's keys.
--
-- KEYS 1 the state's list (wait) or sorted set  2 wait  3 active  4 meta  5 marker
-- ARGV 1 list or zset
--      2 count, remove, or retry (of failed jobs)
--      3 prefix of the jobs' keys
--      4 number of jobs to read  5 maximum number of matching jobs
--      6 jobs with a later timestamp do not match, ms
--      7 the walk ends at a higher score; +inf for lists
--      8 the last job that was kept, '' at the start  9 its place: number of kept jobs in a list, else its score
--      10.. types; none: all
--
-- Result: {1 when the walk is over, else 0, jobs read, jobs and events that matched, ARGV 8 and 9 of the next step,
--          ids of matching jobs that are active (lists only)}
-- Errors: none of its own.
local key, wait, active, meta, marker = unpack(KEYS)
local is_list, action, prefix = ARGV[1] == 'list', ARGV[2], ARGV[3]
local size, most = tonumber(ARGV[4]), tonumber(ARGV[5])
local latest, last_score = tonumber(ARGV[6]), tonumber(ARGV[7])
local anchor, place = ARGV[8], ARGV[9]
local FIRST_TYPE = 10
-- Placeholder for removed entries: no id is empty.
local GONE = ''

local types
for n = FIRST_TYPE, #ARGV do
  types = types or {}
  types[ARGV[n]] = true
end

-- The number of events of a matching job (eventCount.ts), or nil.
local function match(id)
  local fields = redis.call('HMGET', prefix .. id, 'timestamp', 'name', 'opts')
  if (tonumber(fields[1]) or 0) > latest or (types and not (fields[2] and types[fields[2]])) then
    return nil
  end
  return fields[3] and tonumber(string.match(fields[3], '"events":(%d+)')) or 1
end

-- ids in the order of the walk, with their scores in a sorted set; skip: number of jobs before them
local ids, scores, skip = {}, {}, 0
if is_list then
  skip = tonumber(place) or 0
  if anchor == '' then
    skip = 0
  elseif redis.call('LINDEX', key, -skip) ~= anchor then
    local found = redis.call('LPOS', key, anchor, 'RANK', -1)
    if found then
      skip = redis.call('LLEN', key) - found
    else
      anchor, skip = '', 0
    end
  end
  local found = redis.call('LRANGE', key, -(skip + size), -(skip + 1))
  for n = #found, 1, -1 do
    ids[#ids + 1] = found[n]
  end
else
  if anchor ~= '' then
    local rank = redis.call('ZRANK', key, anchor)
    skip = rank and rank + 1 or redis.call('ZCOUNT', key, '-inf', '(' .. place)
  end
  local found = redis.call('ZRANGE', key, skip, skip + size - 1, 'WITHSCORES')
  for n = 1, #found, 2 do
    ids[#ids + 1], scores[#scores + 1] = found[n], found[n + 1]
  end
end

local looked, jobs, events = 0, 0, 0
local taken, over = {}, #ids < size
for n, id in ipairs(ids) do
  if not is_list and tonumber(scores[n]) > last_score then
    over = true
    break
  end
  looked = looked + 1
  local hit = match(id)
  if hit then
    jobs, events = jobs + 1, events + hit
  end
  if hit and action ~= 'count' then
    taken[#taken + 1] = id
    if is_list then
      redis.call('LSET', key, -(skip + n), GONE)
    end
  else
    anchor, place = id, is_list and skip + n - #taken or scores[n]
  end
  if jobs >= most then
    over = true
    break
  end
end

if #taken > 0 then
  if is_list then
    local length = redis.call('LLEN', key)
    local from_head = length - skip - looked < skip
    redis.call('LREM', key, from_head and #taken or -#taken, GONE)
  else
    redis.call('ZREM', key, unpack(taken))
  end
  local doomed = {}
  for n, id in ipairs(taken) do
    if action == 'retry' then
      redis.call('HDEL', prefix .. id, 'finishedOn', 'processedOn', 'failedReason', 'stacktrace', 'atm')
      redis.call('LPUSH', wait, id)
    else
      doomed[n] = prefix .. id
    end
  end
  if action == 'retry' then
    -- A paused queue has no marker: resume sets it.
    if redis.call('HEXISTS', meta, 'paused') == 0 then
      redis.call('ZADD', marker, 0, '0')
    end
  else
    redis.call('UNLINK', unpack(doomed))
  end
end

local in_work = {}
if is_list then
  for _, id in ipairs(redis.call('LRANGE', active, 0, -1)) do
    if match(id) then
      in_work[#in_work + 1] = id
    end
  end
end
return { over and 1 or 0, looked, jobs, events, anchor, tostring(place), in_work }
