#!lua
-- Appends events to the mailbox of one user: each gets the next offset. Idempotent by event id (L2). Trims to the newest events. Reads the
-- present owner of the user in the same step, so that the caller can publish to the owner's node (L9: this script does not publish).
--
-- KEYS 1 box   <prefix>:{u:<user>}:box      stream of `<offset>-0`: g = tag, t = time of the append (ms), b = bytes of all e
--                                           up to this one, e = event (JSON)
--      2 meta  <prefix>:{u:<user>}:boxmeta  hash: epoch, offset, tag (of the head), bytes (of all e ever), first (lowest offset
--                                           that is kept; head + 1 when none is), floor_tag, floor_bytes (tag of the entry
--                                           before first, bytes up to it), oldest (time of first), acked, acked_tag,
--                                           renewed (when its life was last extended, ms), at (time of the newest append, ms),
--                                           ids_since (start of the running window, ms), ids_b (1 when ids b exists)
--      3 ids a <prefix>:{u:<user>}:ids:a    hash: short ids appended in the running window. Field: the first two characters; value:
--                                           the rest of each id that begins so, followed by the digest of its payload or nothing.
--                                           A field for each id would take three times as much.
--      4 ids b <prefix>:{u:<user>}:ids:b    hash: the ids of the previous window
--      5 entry <prefix>:{u:<user>}:conn     hash
--      6 seen  <prefix>:{u:<user>}:seen     zset: whole id -> time of the append (ms), for nodes of the build before short ids
-- ARGV 1 epoch to use if the mailbox has none
--      2 MAILBOX_SIZE, entries
--      3 MAILBOX_BYTES
--      4 MAILBOX_TTL_MS
--      5 cluster time, ms
--      6 CLOCK_STEP_MS
--      7 IDEMPOTENCY_WINDOW_MS: ids are remembered for at least this long, and at most twice as long
--      8 whole ids of the build before short ids: 0 ignored, 1 looked up, 2 looked up and written
--      9 number of events; per event: short id and digest (16 and 0 or 8 characters), tag, event (JSON); then, unless 8 is 0, per event its
--        whole id. Ids differ
--
-- Result: {epoch, head offset, head tag, first appended offset (0 = none), tag of the entry before it,
--          {per event its offset, or 0 when its id was appended before}, lease of the owner ('' = nobody is connected),
--          number of entries that were trimmed without being acknowledged}
-- Errors: none of its own.
local box, meta, ids_a, ids_b, seen = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[6]
local max_length, max_bytes, ttl = tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local window, old, count = tonumber(ARGV[7]), tonumber(ARGV[8]), tonumber(ARGV[9])
local FIRST = 10
local FIELD, SHORT = 2, 16
-- Trimming costs at most this many entries beyond the number appended, so that a lowered limit does not block Redis.
local TRIM_SLACK = 32
-- Limits of the whole ids, as in the old nodes.
local SEEN_COUNT, SEEN_MS, SEEN_MAX = 200, 300000, 2000
-- The keys live this much longer and are extended only when it has passed, which saves three commands for most appends.
local slack = math.floor(math.min(ttl / 16, 60000))

local state = redis.call('HMGET', meta, 'epoch', 'offset', 'tag', 'bytes', 'first', 'floor_tag', 'floor_bytes', 'oldest', 'acked',
  'renewed', 'at', 'ids_since', 'ids_b')
-- Entries are in the order of their times, whichever node appends them.
local now = math.max(tonumber(ARGV[5]), tonumber(state[11] or '0'))
local epoch = state[1]
local offset, tag, bytes = tonumber(state[2] or '0'), state[3] or '', tonumber(state[4] or '0')
local first, floor_tag, floor_bytes = tonumber(state[5] or '1'), state[6] or '', tonumber(state[7] or '0')
local oldest, acked = tonumber(state[8] or '0'), tonumber(state[9] or '0')
local renewed = tonumber(state[10] or '0')
if not epoch then
  -- Entries of a former mailbox must not answer for positions of the new one (L1).
  epoch = ARGV[1]
  redis.call('UNLINK', box, ids_a, ids_b, seen)
  redis.call('HSET', meta, 'epoch', epoch, 'acked', 0, 'acked_tag', '')
end

local lowest = math.max(first, acked + 1)
local length = redis.call('XLEN', box)
if length > 0 and state[11] and now - state[11] > ttl then
  redis.call('UNLINK', box)
  length = 0
end
if length == 0 then
  -- The mailbox is new, all its entries are acknowledged, or they have expired.
  first, floor_tag, floor_bytes, oldest, renewed = offset + 1, tag, bytes, now, 0
end

local since = tonumber(state[12] or '0')
local renew = now - since >= window
local turns = renew and since > 0
local fields, whole = {}, {}
for i = 1, count do
  fields[i] = string.sub(ARGV[FIRST + 3 * (i - 1)], 1, FIELD)
  whole[i] = ARGV[FIRST + 3 * count + i - 1]
end
local in_a = redis.call('HMGET', ids_a, unpack(fields))
local in_b = state[13] and redis.call('HMGET', ids_b, unpack(fields)) or {}
local known = old > 0 and redis.call('ZMSCORE', seen, unpack(whole)) or {}
local before, prev_tag = offset, tag
local offsets, fresh, kept = {}, {}, {}
for i = 1, count do
  local id, field = ARGV[FIRST + 3 * (i - 1)], fields[i]
  local rest = string.sub(id, FIELD + 1, SHORT)
  if known[i] or in_a[i] and string.find(in_a[i], rest, 1, true) or in_b[i] and string.find(in_b[i], rest, 1, true) then
    offsets[i] = 0
  else
    local event = ARGV[FIRST + 3 * (i - 1) + 2]
    tag = ARGV[FIRST + 3 * (i - 1) + 1]
    offset = offset + 1
    bytes = bytes + #event
    redis.call('XADD', box, string.format('%.0f-0', offset), 'g', tag, 't', now, 'b', string.format('%.0f', bytes), 'e', event)
    fresh[#fresh + 1] = now
    fresh[#fresh + 1] = whole[i]
    kept[field] = (kept[field] or not turns and in_a[i] or '') .. string.sub(id, FIELD + 1)
    offsets[i] = offset
  end
end
local appended = offset - before
local owner = redis.call('HMGET', KEYS[5], 'conn', 'lease')
local lease = (owner[1] and owner[1] ~= '') and owner[2] or ''
if appended == 0 then
  return { epoch, offset, tag, 0, '', offsets, lease, 0 }
end
if turns then
  redis.call('UNLINK', ids_b)
  if redis.call('EXISTS', ids_a) == 1 then
    redis.call('RENAME', ids_a, ids_b)
    redis.call('HSET', meta, 'ids_b', 1)
  end
  if old == 0 then
    redis.call('UNLINK', seen)
  end
end
if renew or since > now then
  -- Written by a clock that was ahead: the ids would be remembered for that much longer.
  redis.call('HSET', meta, 'ids_since', now)
end
local pairs_kept = {}
for field, rests in pairs(kept) do
  pairs_kept[#pairs_kept + 1] = field
  pairs_kept[#pairs_kept + 1] = rests
end
redis.call('HSET', ids_a, unpack(pairs_kept))
if renew then
  -- Without appends nothing else would end it. By the clock of Redis, which may step.
  redis.call('PEXPIRE', ids_a, 2 * window + 2 * ARGV[6])
end
if old == 2 then
  redis.call('ZADD', seen, unpack(fresh))
end

length = length + appended
local budget = appended + TRIM_SLACK
-- The newest entry stays, whatever its size.
while budget > 0 and length > 1 and (length > max_length or bytes - floor_bytes > max_bytes or now - oldest > ttl) do
  local pair = redis.call('XRANGE', box, '-', '+', 'COUNT', 2)
  local dropped, kept = pair[1][2], pair[2]
  redis.call('XDEL', box, pair[1][1])
  floor_tag, floor_bytes = dropped[2], tonumber(dropped[6])
  first, oldest = tonumber(string.match(kept[1], '^%d+')), tonumber(kept[2][4])
  length = length - 1
  budget = budget - 1
end

redis.call('HSET', meta, 'offset', string.format('%.0f', offset), 'tag', tag, 'bytes', string.format('%.0f', bytes),
  'at', now)
if first ~= tonumber(state[5] or '0') or renewed == 0 then
  redis.call('HSET', meta, 'first', string.format('%.0f', first), 'floor_tag', floor_tag, 'floor_bytes',
    string.format('%.0f', floor_bytes), 'oldest', string.format('%.0f', oldest))
end
local remembered = old == 2 and redis.call('ZCARD', seen) or 0
if remembered > SEEN_COUNT then
  local old = redis.call('ZCOUNT', seen, '-inf', now - SEEN_MS)
  local drop = math.max(math.min(remembered - SEEN_COUNT, old), remembered - SEEN_MAX)
  if drop > 0 then
    redis.call('ZREMRANGEBYRANK', seen, 0, drop - 1)
  end
end
if now - renewed >= slack then
  redis.call('HSET', meta, 'renewed', now)
  -- Uses the clock of Redis, which may step.
  local lives = ttl + slack + ARGV[6]
  redis.call('PEXPIRE', box, lives)
  redis.call('PEXPIRE', meta, lives)
  if old == 2 then
    redis.call('PEXPIRE', seen, lives)
  end
end
return { epoch, offset, tag, before + 1, prev_tag, offsets, lease, math.max(0, first - lowest) }
