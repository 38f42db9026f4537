#!lua flags=allow-oom
-- The claimer's replaced owners are confirmed: clears the list except for the given entries (C2, C5). Idempotent.
--
-- KEYS 1 entry  <prefix>:{u:<user>}:conn   hash
-- ARGV 1 conn id
--      2 fence
--      3 what stays on the list (JSON array as claim.lua stores it, '[]' for nothing)
--      4 the lease that the claim was made under: only valid for this lease, or a right would outlive its lease (C10)
--      5 cluster time (ms): established since then, unless it already was
--
-- Result: {1}, or {0, conn, fence, client, tombstone code, attempt} of the entry stored instead: '', '0', '', 0, 0 when Redis
-- lost the claim
local entry = redis.call('HMGET', KEYS[1], 'conn', 'fence', 'client', 'code', 'attempt', 'lease', 'since')
if entry[1] ~= ARGV[1] or entry[2] ~= ARGV[2] or entry[6] ~= ARGV[4] then
  return { 0, entry[1] or '', entry[2] or '0', entry[3] or '', tonumber(entry[4] or '0'), tonumber(entry[5] or '0') }
end
if ARGV[3] == '[]' then
  redis.call('HDEL', KEYS[1], 'displaced')
else
  redis.call('HSET', KEYS[1], 'displaced', ARGV[3])
end
if not entry[7] or string.sub(entry[7], 1, #ARGV[1] + 1) ~= ARGV[1] .. ' ' then
  redis.call('HSET', KEYS[1], 'since', ARGV[1] .. ' ' .. ARGV[5])
end
return { 1 }
