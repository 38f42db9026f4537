#!lua flags=allow-oom
-- Writes a node's mark on a shard and returns the mark before it (C12). A script, so that a full Redis does not fence any node (Q6).
--
-- KEYS 1 mark  <prefix>:{<tag>}:mark:<process>   string
-- ARGV 1 mark: a number that grows with each call
--      2 time to live, seconds
--
-- Result: {the previous mark, '' when there was none; replication id of the master, '' when unknown;
--          1 when that master was a replica once, else 0}
local found = redis.call('GET', KEYS[1]) or ''
-- A mark that a broken link delayed must not overwrite a later one: that would look like data that was set back.
if found == '' or tonumber(ARGV[1]) > tonumber(found) then
  redis.call('SET', KEYS[1], ARGV[1], 'EX', ARGV[2])
end
-- An access list may forbid INFO: then only the mark is compared.
local info = redis.pcall('INFO', 'replication')
if type(info) ~= 'string' then
  return { found, '', 0 }
end
local former = string.match(info, 'master_replid2:(%x+)') or ''
return { found, string.match(info, 'master_replid:(%x+)') or '', string.find(former, '[^0]') and 1 or 0 }
