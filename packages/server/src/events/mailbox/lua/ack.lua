#!lua flags=allow-oom
-- Acknowledges a mailbox up to a position and trims it (L8): only for the current connection, the present epoch and an existing entry with
-- this tag, and never backwards. Anything else is ignored, and nothing is clamped: after a fail-over a late acknowledgement would remove
-- events that nobody has received. Idempotent. `allow-oom`, because it frees memory.
--
-- KEYS 1 box   <prefix>:{u:<user>}:box      stream
--      2 meta  <prefix>:{u:<user>}:boxmeta  hash; see box.lua
--      3 entry <prefix>:{u:<user>}:conn     hash
-- ARGV 1 conn id
--      2 fence
--      3 epoch
--      4 offset
--      5 tag of the entry at that offset
--
-- Result: 1 stored, 0 nothing to do (already acknowledged, or a position of another history), -1 not the current connection
local entry = redis.call('HMGET', KEYS[3], 'conn', 'fence')
if entry[1] ~= ARGV[1] or entry[2] ~= ARGV[2] then
  return -1
end
local state = redis.call('HMGET', KEYS[2], 'epoch', 'offset', 'tag', 'bytes', 'first', 'acked')
if state[1] ~= ARGV[3] then
  return 0
end
local head, first, acked = tonumber(state[2] or '0'), tonumber(state[5] or '1'), tonumber(state[6] or '0')
local offset, tag = tonumber(ARGV[4]), ARGV[5]
if offset <= acked or offset > head then
  return 0
end
-- The same offset with another tag: a fail-over set the mailbox back, and this is another event (L1).
local id = string.format('%.0f-0', offset)
local found = redis.call('XRANGE', KEYS[1], id, id)[1]
if not found or found[2][2] ~= tag then
  return 0
end
redis.call('HSET', KEYS[2], 'acked', string.format('%.0f', offset), 'acked_tag', tag)
if offset >= first then
  redis.call('XTRIM', KEYS[1], 'MINID', string.format('%.0f-0', offset + 1))
  local rest = redis.call('XRANGE', KEYS[1], '-', '+', 'COUNT', 1)[1]
  local floor_bytes, oldest = state[4], '0'
  if rest then
    floor_bytes, oldest = string.format('%.0f', tonumber(rest[2][6]) - #rest[2][8]), rest[2][4]
  end
  redis.call('HSET', KEYS[2], 'first', string.format('%.0f', offset + 1), 'floor_tag', tag, 'floor_bytes', floor_bytes,
    'oldest', oldest)
end
return 1
