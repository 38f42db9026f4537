#!lua flags=allow-oom
-- Writes an order about the user's tokens issued before now, and returns the owner in the same step (C7): a later claim
-- reads the order, and the connection of an earlier claim is the owner returned. The last order wins, field by field.
--
-- KEYS 1 revoked <prefix>:{u:<user>}:revoked   hash: roles, roles_at, permissions, permissions_at, stale_at, stale_by, before,
--                at (time of the newest order, ms)
--      2 entry   <prefix>:{u:<user>}:conn      hash
--      3 noted   <prefix>:{u:<user>}:legacy    hash: notes of connections that the registry does not hold
-- ARGV 1 roles (JSON array) that replace those of the token, '' to leave them
--      2 permissions (JSON array) that replace the token's own, '' to leave them
--      3 as of (ms since the epoch): applies to tokens issued before
--      4 a newer token is needed by then (ms since the epoch), '' when not
--      5 time to live of the record, seconds: no token that it applies to lives longer
--      6 cluster time, ms
--      7 what the caller saw of the user's connections (`seen`), '' to skip the check
--
-- Result: {conn, fence, lease}, empty strings when the user is not connected; {} when they differ from `seen`: nothing is written then
-- The caller checked these connections before it gave the order: the order may not be allowed for one that came since.
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
-- A token that an order applied to once stays in its range.
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
      -- A repeated order must not postpone the end without limit.
      by = known[4]
    elseif tonumber(known[3]) > tonumber(known[5] or '0') then
      -- A token that the last order has ended must not become valid again for another grace period.
      redis.call('HSET', KEYS[1], 'before', known[3])
    end
  end
  redis.call('HSET', KEYS[1], 'stale_at', later(known[3]), 'stale_by', by)
end
-- A later, shorter order never shortens the life of the record.
if ttl == -2 or (ttl >= 0 and ttl < tonumber(ARGV[5])) then
  redis.call('EXPIRE', KEYS[1], ARGV[5])
end
local entry = redis.call('HMGET', KEYS[2], 'conn', 'fence', 'lease')
return { entry[1] or '', entry[2] or '', entry[3] or '' }
