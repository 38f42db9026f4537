#!lua flags=no-writes,allow-oom
-- Reads a part of a mailbox together with its state, in one step. What is missing from it is then known to be removed, and not merely on its
-- way.
--
-- KEYS 1 box   <prefix>:{u:<user>}:box      stream
--      2 meta  <prefix>:{u:<user>}:boxmeta  hash; see box.lua
-- ARGV 1 lowest offset wanted
--      2 maximum number of entries
--      3 MAILBOX_TTL_MS
--      4 cluster time, ms
--
-- Result: {} when there is no mailbox, else {epoch, head offset, head tag, acked, acked tag, first, floor tag, {offset, tag,
-- time (ms), event, …}}
local state = redis.call('HMGET', KEYS[2], 'epoch', 'offset', 'tag', 'acked', 'acked_tag', 'first', 'floor_tag', 'at')
if not state[1] then
  return {}
end
local entries = {}
local over = state[8] and ARGV[4] - state[8] > tonumber(ARGV[3])
for _, row in ipairs(over and {} or redis.call('XRANGE', KEYS[1], ARGV[1] .. '-0', '+', 'COUNT', ARGV[2])) do
  entries[#entries + 1] = string.match(row[1], '^%d+')
  entries[#entries + 1] = row[2][2]
  entries[#entries + 1] = row[2][4]
  entries[#entries + 1] = row[2][8]
end
-- All entries have expired, whatever the metadata says, which claims keep alive.
if over or (#entries == 0 and redis.call('EXISTS', KEYS[1]) == 0) then
  state[6], state[7] = string.format('%.0f', tonumber(state[2] or '0') + 1), state[3]
end
return { state[1], state[2] or '0', state[3] or '', state[4] or '0', state[5] or '', state[6] or '1', state[7] or '', entries }
