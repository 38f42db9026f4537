#!lua
-- Appends broadcast events to the log and publishes them, atomically: each event gets the next offset, and the nodes receive one batch.
-- Idempotent by event id (L2). Trims the log, and begins a new window of remembered ids. Without events it ensures that the log has an
-- epoch, and returns its head.
--
-- Redis refuses a script with a shebang before its first write when it is full, read-only or lost its disk, so the script never stops
-- half-way.
--
-- KEYS 1 stream <prefix>:{log}:s        stream of `<offset>-0`: g = tag, t = time of the append (ms), e = event (JSON)
--      2 meta   <prefix>:{log}:meta     hash: epoch, offset, tag (of the head), bytes (of all e in the stream),
--                                       oldest (no entry is older, ms), at (time of the newest append, ms), floor and
--                                       floor_tag (offset and tag of the entry before the first one that is kept), ids_since
--                                       (start of the running window, ms), rotated (start of the old sets' window, ms)
--      3 ids a  <prefix>:{log}:ids:a    hash: short ids appended in the running window, each with the digest of its payload or ''
--      4 ids b  <prefix>:{log}:ids:b    hash: the ids of the previous window
--      5 seen a <prefix>:{log}:seen:a   set: whole ids, for nodes of the build before short ids, in windows of 15 min of their own
--      6 seen b <prefix>:{log}:seen:b   set: the ids of their previous window
-- ARGV 1 channel of the batches
--      2 epoch to use if the log has none
--      3 HISTORY_SIZE, entries
--      4 HISTORY_BYTES
--      5 HISTORY_TTL_MS
--      6 IDEMPOTENCY_WINDOW_MS: ids are remembered for at least this long, and at most twice as long
--      7 cluster time, ms
--      8 CLOCK_STEP_MS
--      9 end of the published text: `}`, or the signature of the installation followed by it
--     10 whole ids of the build before short ids: 0 ignored, 1 looked up, 2 looked up and written
--     11 number of events; per event: short id and digest (16 and 0 or 8 characters), tag, event (JSON); then, unless 10 is 0, per event
--        its whole id
--
-- Result: {epoch, head offset, head tag, {per event its offset, or 0 when its id was appended before}}
-- Publishes, if anything was appended: {"epoch":…,"first":…,"prev_tag":…,"events":[[tag,event],…],"time":(of the append, ms),
-- "installation":…}
-- Errors: none of its own.
local stream, meta, ids_a, ids_b, seen_a, seen_b = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6]
local max_length, max_bytes, ttl = tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
local window, old, count = tonumber(ARGV[6]), tonumber(ARGV[10]), tonumber(ARGV[11])
local FIRST = 12
local SHORT = 16
local OLD_WINDOW = 900000
-- Trimming costs at most this many entries beyond the number appended, so that a lowered limit does not block Redis.
local TRIM_SLACK = 32

local state = redis.call('HMGET', meta, 'epoch', 'offset', 'tag', 'bytes', 'oldest', 'rotated', 'at', 'ids_since')
-- Entries are in the order of their times, whichever node appends them.
local now = math.max(tonumber(ARGV[7]), tonumber(state[7] or '0'))
local epoch = state[1]
local offset, tag = tonumber(state[2] or '0'), state[3] or ''
local bytes, oldest = tonumber(state[4] or '0'), tonumber(state[5] or '0')

if not epoch then
  -- Entries of a former log must not answer for positions of the new one (L1).
  epoch = ARGV[2]
  redis.call('UNLINK', stream)
  redis.call('HSET', meta, 'epoch', epoch, 'offset', 0, 'tag', '', 'bytes', 0, 'oldest', 0, 'rotated', now)
elseif old == 2 and tonumber(state[6] or '0') > now then
  -- Written by a clock that was ahead: the ids would be remembered for that much longer.
  redis.call('HSET', meta, 'rotated', now)
elseif old == 2 and now - tonumber(state[6] or '0') >= OLD_WINDOW then
  redis.call('UNLINK', seen_b)
  if redis.call('EXISTS', seen_a) == 1 then
    redis.call('RENAME', seen_a, seen_b)
  end
  redis.call('HSET', meta, 'rotated', now)
end

local offsets = {}
if count == 0 then
  return { epoch, offset, tag, offsets }
end

local floor, floor_tag
local length = redis.call('XLEN', stream)
if length > 0 and state[7] and now - state[7] > ttl then
  redis.call('UNLINK', stream)
  length = 0
end
if length == 0 then
  -- The log is new, or all its entries have expired.
  bytes, oldest = 0, now
  floor, floor_tag = offset, tag
end

local ids, digests, whole = {}, {}, {}
for i = 1, count do
  local id = ARGV[FIRST + 3 * (i - 1)]
  ids[i], digests[i] = id, ''
  if #id > SHORT then
    ids[i], digests[i] = string.sub(id, 1, SHORT), string.sub(id, SHORT + 1)
  end
  whole[i] = ARGV[FIRST + 3 * count + i - 1]
end
local in_b = redis.call('HMGET', ids_b, unpack(ids))
local in_a = redis.call('HMGET', ids_a, unpack(ids))
local old_b, old_a
if old > 0 then
  old_b, old_a = redis.call('SMISMEMBER', seen_b, unpack(whole)), redis.call('SMISMEMBER', seen_a, unpack(whole))
end

-- One HSET for all: a call for each took a third of the time of a batch.
local new, new_whole = {}, {}
local seen = {}
local first, prev_tag = offset + 1, tag
-- In pieces that are joined once: Lua would hash a string for each event.
local batch = { '{"epoch":"' .. epoch .. '","first":' .. string.format('%.0f', first) .. ',"prev_tag":"' .. prev_tag
  .. '","events":[["' }
local pieces = 1
local stamp = string.format('%.0f', now)
local call = redis.call
local at = FIRST
for i = 1, count do
  local id = ids[i]
  if not (in_b[i] or in_a[i] or seen[id] or old_b and (old_b[i] == 1 or old_a[i] == 1)) then
    seen[id] = true
    new[#new + 1] = id
    new[#new + 1] = digests[i]
    new_whole[#new_whole + 1] = whole[i]
    local event = ARGV[at + 2]
    tag = ARGV[at + 1]
    offset = offset + 1
    call('XADD', stream, string.format('%.0f-0', offset), 'g', tag, 't', stamp, 'e', event)
    bytes = bytes + #event
    if pieces > 1 then
      batch[pieces + 1] = '],["'
      pieces = pieces + 1
    end
    batch[pieces + 1], batch[pieces + 2], batch[pieces + 3] = tag, '",', event
    pieces = pieces + 3
    offsets[i] = offset
  else
    offsets[i] = 0
  end
  at = at + 3
end

local appended = #new / 2
if appended == 0 then
  return { epoch, offset, tag, offsets }
end
local since = tonumber(state[8] or '0')
local renew = now - since >= window
if renew then
  call('UNLINK', ids_b)
  if call('EXISTS', ids_a) == 1 then
    call('RENAME', ids_a, ids_b)
  end
  if old == 0 then
    call('UNLINK', seen_a, seen_b)
  end
end
if renew or since > now then
  -- Written by a clock that was ahead: the ids would be remembered for that much longer.
  call('HSET', meta, 'ids_since', now)
end
call('HSET', ids_a, unpack(new))
if renew then
  -- Without further appends only this ends the ids. It uses the clock of Redis, which may step.
  call('PEXPIRE', ids_a, 2 * window + 2 * ARGV[8])
end
if old == 2 then
  call('SADD', seen_a, unpack(new_whole))
end

batch[pieces + 1] = ']],"time":' .. stamp .. ARGV[9]
call('PUBLISH', ARGV[1], table.concat(batch))

length = length + appended
local budget = appended + TRIM_SLACK
-- The newest entry stays, whatever its size, because the head must be found in the log.
while budget > 0 and length > 1 and (length > max_length or bytes > max_bytes or now - oldest > ttl) do
  local page = redis.call('XRANGE', stream, '-', '+', 'COUNT', math.min(budget, math.max(length - max_length, 4)))
  local dropped = 0
  for _, entry in ipairs(page) do
    local fields = entry[2]
    oldest = tonumber(fields[4])
    if length - dropped <= 1 or not (length - dropped > max_length or bytes > max_bytes or now - oldest > ttl) then
      break
    end
    bytes = bytes - #fields[6]
    floor, floor_tag = tonumber(string.match(entry[1], '^%d+')), fields[2]
    dropped = dropped + 1
  end
  if dropped == 0 then
    break
  end
  redis.call('XTRIM', stream, 'MAXLEN', '=', length - dropped)
  length = length - dropped
  budget = budget - dropped
end

redis.call('HSET', meta, 'offset', string.format('%.0f', offset), 'tag', tag, 'bytes', string.format('%.0f', bytes),
  'oldest', string.format('%.0f', oldest), 'at', stamp)
if floor then
  redis.call('HSET', meta, 'floor', string.format('%.0f', floor), 'floor_tag', floor_tag)
end
-- Only appends trim, so without them the history must expire by itself. It uses the clock of Redis, which may step.
redis.call('PEXPIRE', stream, ttl + ARGV[8])
return { epoch, offset, tag, offsets }
