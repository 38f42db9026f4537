#!lua flags=allow-oom
-- Leaves a node's mark on a shard and tells what is left of the one before (C12). A script, so that a full Redis fences nobody (Q6).
--
-- KEYS 1 mark  <prefix>:{<tag>}:mark:<process>   string
-- ARGV 1 mark: a number that grows with each call
--      2 time to live, seconds
--
-- Result: {the mark that was there, '' when none was; replication id of the master, '' when it is not told;
--          1 when that master was a replica once, else 0}
local found = redis.call('GET', KEYS[1]) or ''
-- One that a broken link held back must not take the place of a later one, and be taken for data that was set back.
if found == '' or tonumber(ARGV[1]) > tonumber(found) then
  redis.call('SET', KEYS[1], ARGV[1], 'EX', ARGV[2])
end
-- An access list may forbid it: what is left is the mark alone.
local info = redis.pcall('INFO', 'replication')
if type(info) ~= 'string' then
  return { found, '', 0 }
end
local former = string.match(info, 'master_replid2:(%x+)') or ''
return { found, string.match(info, 'master_replid:(%x+)') or '', string.find(former, '[^0]') and 1 or 0 }
