#!lua flags=allow-oom
-- Removes a closed connection from the registry, if it is still the current one (I3). Keeps fence, client, attempt and the
-- replaced list: they must outlive the connection (C2, C4, C5). Idempotent.
--
-- KEYS 1 entry  <prefix>:{u:<user>}:conn   hash
-- ARGV 1 conn id
--      2 fence, '' when the claim was never answered (C8): then only the connection id decides
--      3 lease, '' for any: housekeeping names the dead lease (C11)
--      4 time to live of the remaining fields, seconds
--
-- Result: 1 released, 0 not the current one
local entry = redis.call('HMGET', KEYS[1], 'conn', 'fence', 'lease')
if entry[1] ~= ARGV[1] then
  return 0
end
if (ARGV[2] ~= '' and entry[2] ~= ARGV[2]) or (ARGV[3] ~= '' and entry[3] ~= ARGV[3]) then
  return 0
end
redis.call('HSET', KEYS[1], 'conn', '', 'lease', '')
redis.call('HDEL', KEYS[1], 'facts')
redis.call('EXPIRE', KEYS[1], ARGV[4])
return 1
