#!lua flags=allow-oom
-- Ends a connection whose node does not answer: writes a tombstone with a higher fence (C15). When the node wakes, its reconcile reads
-- that fence and closes with the stored code. Until then the node may deliver, so the connection goes on the replaced list: the next
-- claimer waits for it (C2).
--
-- KEYS 1 entry  <prefix>:{u:<user>}:conn   hash
-- ARGV 1 conn id that the command was decided for (C14)
--      2 its fence
--      3 close code
--      4 reason
--      5 time to live of the tombstone, seconds
--
-- Result: {1, fence of the tombstone}, or {0, conn, fence, lease} of the current owner
local entry = redis.call('HMGET', KEYS[1], 'conn', 'fence', 'lease', 'client', 'displaced', 'attempt')
if entry[1] ~= ARGV[1] or entry[2] ~= ARGV[2] then
  return { 0, entry[1] or '', entry[2] or '', entry[3] or '' }
end
local fence = string.format('%.0f', tonumber(ARGV[2]) + 1)
local replaced = entry[5] and cjson.decode(entry[5]) or {}
replaced[#replaced + 1] = { c = entry[1], l = entry[3] or '', f = entry[2], k = entry[4] or '',
  n = tonumber(entry[6] or '0') }
redis.call('HSET', KEYS[1], 'displaced', cjson.encode(replaced), 'conn', '', 'lease', '', 'fence', fence, 'code', ARGV[3], 'reason', ARGV[4])
redis.call('HDEL', KEYS[1], 'facts')
redis.call('EXPIRE', KEYS[1], ARGV[5])
return { 1, fence }
