#!lua flags=allow-oom
-- Notes where a user's connection to a legacy endpoint is: the newest of each group. Idempotent by connection id.
--
-- KEYS 1 legacy <prefix>:{u:<user>}:legacy   hash: group -> {c=conn ('' = barred), l=lease, t=since (ms), n=replacements in a row, code=of
--               whoever comes back without having taken the note anew, 0 = replaced}
-- ARGV 1 group
--      2 conn
--      3 lease
--      4 'take': it is new, and replaces whoever is noted; 'keep': it was noted, and gives way to whoever is
--      5 time to live of the notes, seconds
--      6 replacements that follow each other within this (ms) are in a row
--
-- Result: {1, conn and lease of whoever was replaced ('' = nobody), replacements in a row}
--         {0, code}   'keep' alone: another is noted (code 0), or an admin ended it (code)
local stored = redis.call('HGET', KEYS[1], ARGV[1])
local known = stored and cjson.decode(stored) or nil
local other = known and known.c ~= ARGV[2]
if other and ARGV[4] == 'keep' then
  return { 0, known.code }
end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local since, row = now, 0
if known and not other then
  since, row = known.t, known.n
elseif other and known.c ~= '' and now - known.t < tonumber(ARGV[6]) then
  row = known.n + 1
end
redis.call('HSET', KEYS[1], ARGV[1], cjson.encode({ c = ARGV[2], l = ARGV[3], t = since, n = row, code = 0 }))
redis.call('EXPIRE', KEYS[1], ARGV[5])
if other then
  return { 1, known.c, known.l, row }
end
return { 1, '', '', row }
