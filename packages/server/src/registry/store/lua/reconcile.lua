#!lua flags=allow-oom
-- Reads all that the registry holds of a user, in one step (C12). Changes no decision: the node decides, and a re-claim is a separate
-- step.
--
-- KEYS 1 entry   <prefix>:{u:<user>}:conn      hash
--      2 revoked <prefix>:{u:<user>}:revoked   hash
--      3 boxmeta <prefix>:{u:<user>}:boxmeta   hash
-- ARGV 1 the token's issue time, seconds
--      2 the token's session id, '' when none
--      3 MAILBOX_TTL_MS
--      4 cluster time, ms
--      5 CLOCK_STEP_MS
--
-- Result: {conn, fence, lease, tombstone code, client, attempt, what voids the token ('' = nothing, else a reason of refusals.ts), mailbox epoch ('' = none), mailbox offset,
--          mailbox tag, amendment of the token: {roles (JSON, '' = the token's), permissions (same), stale_at, stale_by (ms, 0 = not)},
--          end of a ban (ms, 0 = for good or none), '<conn> <ms>': that one is established since then ('' = none is)}
local entry = redis.call('HMGET', KEYS[1], 'conn', 'fence', 'lease', 'code', 'client', 'attempt', 'since')
local revoked = redis.call('HMGET', KEYS[2], 'ban_until', 'before', 's:' .. ARGV[2], 'roles', 'roles_at', 'permissions',
  'permissions_at', 'stale_at', 'stale_by', 'at')
local now = math.max(tonumber(ARGV[4]), tonumber(revoked[10] or '0'))
local void = ''
if revoked[1] and (tonumber(revoked[1]) == 0 or tonumber(revoked[1]) > now) then
  void = 'banned'
elseif (revoked[2] and tonumber(ARGV[1]) * 1000 < tonumber(revoked[2])) or (ARGV[2] ~= '' and revoked[3]) then
  void = 'token_revoked'
end
-- As in claim.lua.
local issued = tonumber(ARGV[1]) * 1000
local stale = revoked[8] and issued < tonumber(revoked[8])
if void == '' and stale and tonumber(revoked[9]) <= now then
  void = 'token_expired'
end
local amendment = { revoked[4] and issued < tonumber(revoked[5]) and revoked[4] or '',
  revoked[6] and issued < tonumber(revoked[7]) and revoked[6] or '', stale and revoked[8] or '0',
  stale and revoked[9] or '0' }
local box = redis.call('HMGET', KEYS[3], 'epoch', 'offset', 'tag')
-- Otherwise a connection that lives for days would be told that its mailbox was lost, when the mailbox was only unused.
if box[1] and redis.call('PTTL', KEYS[3]) < tonumber(ARGV[3]) / 2 then
  redis.call('PEXPIRE', KEYS[3], ARGV[3] + ARGV[5])
end
return { entry[1] or '', entry[2] or '0', entry[3] or '', tonumber(entry[4] or '0'), entry[5] or '',
  tonumber(entry[6] or '0'), void, box[1] or '', tonumber(box[2] or '0'), box[3] or '', amendment, void == 'banned' and revoked[1] or '0',
  entry[7] or '' }
