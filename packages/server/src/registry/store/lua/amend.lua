#!lua flags=allow-oom
-- Writes what holds for a user's tokens issued before now, and returns the owner in the same step (C7): a claim that comes after
-- reads it, one that came before is the owner returned. The last order wins, field by field.
--
-- KEYS 1 revoked <prefix>:{u:<user>}:revoked   hash: roles, roles_at, permissions, permissions_at, stale_at, stale_by, before,
--                at (time of the newest order, ms)
--      2 entry   <prefix>:{u:<user>}:conn      hash
--      3 noted   <prefix>:{u:<user>}:legacy    hash: notes of connections that the registry does not hold
-- ARGV 1 roles (JSON array) in the place of the token's, '' to leave them
--      2 permissions (JSON array) in the place of the token's own, '' to leave them
--      3 as of (ms since the epoch): tokens issued before are meant
--      4 a newer token is needed by then (ms since the epoch), '' when not
--      5 time to live of the record, seconds: no token that it means lives longer
--      6 cluster time, ms
--      7 what was seen of the user's connections (`seen`), '' for whatever they are
--
-- Result: {conn, fence, lease}, empty strings when nobody is connected; {} when they are not what was seen: nothing is written then
-- What was looked at before the order was given: whoever came since may be one whom it must not be given about.
local function seen()
  local entry = redis.call('HMGET', KEYS[2], 'conn', 'facts')
  local notes = redis.call('HKEYS', KEYS[3])
  table.sort(notes)
  return (entry[1] or '') .. '\n' .. (entry[2] or '') .. '\n' .. table.concat(notes, ' ')
end
if ARGV[7] ~= '' and ARGV[7] ~= seen() then
  return {}
end
local ttl = redis.call('TTL', KEYS[1])
local known = redis.call('HMGET', KEYS[1], 'roles_at', 'permissions_at', 'stale_at', 'stale_by', 'before', 'at')
local now = math.max(tonumber(ARGV[6]), tonumber(known[6] or '0'))
redis.call('HSET', KEYS[1], 'at', string.format('%.0f', now))
-- What was meant once stays meant.
local function later(at)
  return string.format('%.0f', math.max(tonumber(at or '0'), tonumber(ARGV[3])))
end
if ARGV[1] ~= '' then
  redis.call('HSET', KEYS[1], 'roles', ARGV[1], 'roles_at', later(known[1]))
end
if ARGV[2] ~= '' then
  redis.call('HSET', KEYS[1], 'permissions', ARGV[2], 'permissions_at', later(known[2]))
end
if ARGV[4] ~= '' then
  local by = ARGV[4]
  if known[3] then
    if tonumber(known[4]) > now then
      -- An order that is repeated must not put the end off for ever.
      by = known[4]
    elseif tonumber(known[3]) > tonumber(known[5] or '0') then
      -- What the last order has ended must not come back to life for another grace.
      redis.call('HSET', KEYS[1], 'before', known[3])
    end
  end
  redis.call('HSET', KEYS[1], 'stale_at', later(known[3]), 'stale_by', by)
end
-- A longer-lived record is never cut short by a later, shorter one.
if ttl == -2 or (ttl >= 0 and ttl < tonumber(ARGV[5])) then
  redis.call('EXPIRE', KEYS[1], ARGV[5])
end
local entry = redis.call('HMGET', KEYS[2], 'conn', 'fence', 'lease')
return { entry[1] or '', entry[2] or '', entry[3] or '' }
