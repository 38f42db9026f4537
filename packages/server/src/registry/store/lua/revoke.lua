#!lua flags=allow-oom
-- Writes a ban or a revocation and returns the owner in the same step (C7): a later claim reads the order, and the connection of an
-- earlier claim is the owner returned.
--
-- KEYS 1 revoked <prefix>:{u:<user>}:revoked   hash: ban_until (ms, 0 = for good), ban_reason, before (ms),
--                s:<session> = needed until (ms), at (time of the newest order, ms)
--      2 entry   <prefix>:{u:<user>}:conn      hash
--      3 noted   <prefix>:{u:<user>}:legacy    hash: notes of connections that the registry does not hold
-- ARGV 1 ban until (ms since the epoch, 0 = for good), '' for no ban
--      2 reason
--      3 tokens issued before this (ms) are void, '' for none
--      4 session that is void, '' for none
--      5 time to live of the record, seconds: nothing that it voids lives longer; 0 = permanent
--      6 cluster time, ms
--      7 the entry of the session is needed until then (ms)
--      8 what the caller saw of the user's connections (`seen`), '' to skip the check
--
-- Result: {conn, fence, lease}, empty strings when the user is not connected; {} when they differ from `seen`: nothing is written then
-- The caller checked these connections before it gave the order: the order may not be allowed for one that came since.
local function seen()
  local entry = redis.call('HMGET', KEYS[2], 'conn', 'facts')
  local notes = redis.call('HKEYS', KEYS[3])
  table.sort(notes)
  return (entry[1] or '') .. '\n' .. (entry[2] or '') .. '\n' .. table.concat(notes, ' ')
end
if ARGV[8] ~= '' and ARGV[8] ~= seen() then
  return {}
end
local ttl = redis.call('TTL', KEYS[1])
local now = math.max(tonumber(ARGV[6]), tonumber(redis.call('HGET', KEYS[1], 'at') or '0'))
redis.call('HSET', KEYS[1], 'at', string.format('%.0f', now))
if ARGV[1] ~= '' then
  redis.call('HSET', KEYS[1], 'ban_until', ARGV[1], 'ban_reason', ARGV[2])
end
if ARGV[3] ~= '' then
  local before = tonumber(redis.call('HGET', KEYS[1], 'before') or '0')
  if tonumber(ARGV[3]) > before then
    redis.call('HSET', KEYS[1], 'before', ARGV[3])
  end
end
if ARGV[4] ~= '' then
  -- Each order renews the record's time to live: without this cleanup the sessions of a user who logs out daily would pile up.
  local known = redis.call('HGETALL', KEYS[1])
  for i = 1, #known, 2 do
    local over = string.sub(known[i], 1, 2) == 's:' and tonumber(known[i + 1])
    if over and over < now then
      redis.call('HDEL', KEYS[1], known[i])
    end
  end
  redis.call('HSET', KEYS[1], 's:' .. ARGV[4], ARGV[7])
end
-- A later, shorter order never shortens the life of the record.
if ARGV[5] == '0' then
  redis.call('PERSIST', KEYS[1])
elseif ttl == -2 or (ttl >= 0 and ttl < tonumber(ARGV[5])) then
  redis.call('EXPIRE', KEYS[1], ARGV[5])
end
local entry = redis.call('HMGET', KEYS[2], 'conn', 'fence', 'lease')
return { entry[1] or '', entry[2] or '', entry[3] or '' }
