#!lua flags=allow-oom
-- Makes a connection the user's current one, or returns why not (C2-C5, C7). Idempotent by connection id (C8).
--
-- KEYS 1 entry  <prefix>:{u:<user>}:conn        hash
--      2 revoked <prefix>:{u:<user>}:revoked    hash
--      3 subs   <prefix>:{u:<user>}:subs        hash
--      4 prefs  <prefix>:{u:<user>}:prefs       hash
--      5 box    <prefix>:{u:<user>}:box         stream
--      6 boxmeta <prefix>:{u:<user>}:boxmeta    hash; see box.lua
-- ARGV 1 conn id
--      2 lease id of the claimer's node
--      3 client id, '' when the client gave none
--      4 attempt number of that client, 0 when none
--      5 policy: 'replace' or 'reject'
--      6 channel prefix: a node's channel is this .. lease
--      7 dead leases, each between blanks: ' a b '
--      8 the token's issue time, seconds
--      9 the token's session id, '' when none
--     10 facts about the connection (JSON), stored for other readers
--     11 fence of a re-claim, '' for a first claim
--     12 time to live of :subs and :prefs, seconds
--     13 offset of the mailbox position that the client gave, '' when none
--     14 MAILBOX_TTL_MS
--     15 of a re-claim: the lease in the claimer's own entry as it was read, '' when the entry was another's
--     16 cluster time, ms
--     17 CLOCK_STEP_MS
--     18 end of each published message: `}`, or the signature of the installation followed by it
--     19 close code of an evict; the message carries the number because nodes of other builds read it
--     20 the same, for an earlier attempt of the claimer's own client
--
-- Result: {'ok', fence, replaced (JSON array of {c=conn,l=lease,f=fence,k=client,n=attempt}), saved subscriptions (flat array),
--          saved preferences (flat array),
--          amendment of the token: {roles (JSON, '' = the token's), permissions (same), stale_at, stale_by (ms, 0 = not)},
--          mailbox: {} when there is none, else {epoch, head offset, head tag, acked, acked tag, first, floor tag, tag at ARGV 13 or ''}}
--         {'refused', reason}    refusals.ts has the close code of each reason. Of a re-claim: `replaced`, another is current;
--                                `newer_attempt`, the same client's later attempt is. Of a first claim: `newer_attempt`;
--                                `busy`, more than 8 replaced owners are not yet confirmed
--         {'refused', 'banned' or 'token_revoked' or 'token_expired', until (ms, 0 = for good)}
--         {'ended', code}        re-claim refused: a tombstone stands, with this close code (kick.lua)
--         {'exists', conn, lease} policy 'reject': the user is connected elsewhere
--         {'moved'}              a re-claim that came late: the entry is under a later lease
local conn, lease, client, attempt = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4])
local entry = redis.call('HMGET', KEYS[1], 'conn', 'lease', 'fence', 'client', 'attempt', 'displaced', 'code',
  'attempts')
local stored_conn, stored_lease = entry[1] or '', entry[2] or ''
local stored_fence = tonumber(entry[3] or '0')
local stored_client, stored_attempt = entry[4] or '', tonumber(entry[5] or '0')

-- C7: a ban or revocation that was ordered after the token was checked.
local revoked = redis.call('HMGET', KEYS[2], 'ban_until', 'before', 's:' .. ARGV[9], 'roles', 'roles_at', 'permissions',
  'permissions_at', 'stale_at', 'stale_by', 'at')
-- An order is never checked with a time before the order itself: clocks may differ.
local now = math.max(tonumber(ARGV[16]), tonumber(revoked[10] or '0'))
if revoked[1] and (tonumber(revoked[1]) == 0 or tonumber(revoked[1]) > now) then
  return { 'refused', 'banned', revoked[1] }
end
if (revoked[2] and tonumber(ARGV[8]) * 1000 < tonumber(revoked[2])) or (ARGV[9] ~= '' and revoked[3]) then
  return { 'refused', 'token_revoked', '0' }
end
-- The same for an order of permissions-changed. Its time is the second after the order, because iat has whole seconds.
local issued = tonumber(ARGV[8]) * 1000
local stale = revoked[8] and issued < tonumber(revoked[8])
if stale and tonumber(revoked[9]) <= now then
  return { 'refused', 'token_expired', '0' }
end
local amendment = { revoked[4] and issued < tonumber(revoked[5]) and revoked[4] or '',
  revoked[6] and issued < tonumber(revoked[7]) and revoked[6] or '', stale and revoked[8] or '0',
  stale and revoked[9] or '0' }

-- C5: keeps the newest attempt of the last clients, whichever is current: a slow attempt must not evict its own device's later attempt
-- after another device connected in between.
local attempts = entry[8] and cjson.decode(entry[8]) or {}
local newest = -1
for i = #attempts, 1, -1 do
  if attempts[i].k == client then
    newest = attempts[i].n
    table.remove(attempts, i)
  end
end

-- Owners with dead leases: the claimer does not wait for them, but evicts them all the same. A machine whose clocks stood still wakes
-- with an expired right, and must read the evict before anything published after it (C2).
local warned = {}
local function is_dead(id)
  return string.find(ARGV[7], ' ' .. id .. ' ', 1, true) ~= nil
end

local since
if stored_conn == conn then
  -- The entry is this connection's own: a repeated claim (C8), or a re-claim under a new lease (C4). The fence stays. A claim that a
  -- broken link delayed must not put a lost lease in place of the lease that followed (C10).
  if ARGV[11] ~= '' and stored_lease ~= lease and stored_lease ~= ARGV[15] then
    return { 'moved' }
  end
  redis.call('HSET', KEYS[1], 'lease', lease)
else
  local same_client = client ~= '' and client == stored_client
  local tombstone = tonumber(entry[7] or '0')
  if ARGV[11] ~= '' then
    -- An empty entry of the same fence is this connection's own, removed by housekeeping while its node was away.
    local fence = tonumber(ARGV[11])
    local outranked = stored_fence > fence or (stored_fence == fence and stored_conn ~= '')
    if outranked and tombstone ~= 0 then
      return { 'ended', tombstone }
    end
    -- After Redis lost data, an earlier attempt of the same client may have claimed first: the attempt decides before the fence.
    if same_client and attempt ~= stored_attempt then
      outranked = stored_attempt > attempt
    end
    if outranked then
      return { 'refused', same_client and 'newer_attempt' or 'replaced' }
    end
  elseif client ~= '' and attempt < newest then
    return { 'refused', 'newer_attempt' }
  end
  local occupied = stored_conn ~= '' and not is_dead(stored_lease)
  if ARGV[5] == 'reject' and occupied and not same_client and ARGV[11] == '' then
    return { 'exists', stored_conn, stored_lease }
  end

  -- C2: a replaced owner stays on the list until it confirms. Entries of dead leases count as absent (C11).
  local replaced = {}
  if entry[6] then
    for _, one in ipairs(cjson.decode(entry[6])) do
      if one.c ~= conn then
        local list = is_dead(one.l) and warned or replaced
        list[#list + 1] = one
      end
    end
  end
  if stored_conn ~= '' then
    local list = occupied and replaced or warned
    list[#list + 1] = { c = stored_conn, l = stored_lease, f = entry[3], k = stored_client,
      n = stored_attempt }
  end
  -- Refused only while an owner is stored: an entry that nobody owns must not lock the user out.
  if occupied and #replaced > 8 then
    return { 'refused', 'busy' }
  end

  -- C4: the fence never decreases, not even after Redis lost data.
  local fence = math.max(stored_fence + 1, now)
  redis.call('HSET', KEYS[1], 'conn', conn, 'lease', lease, 'fence', string.format('%.0f', fence), 'client', client,
    'attempt', ARGV[4], 'facts', ARGV[10])
  if client ~= '' then
    attempts[#attempts + 1] = { k = client, n = math.max(newest, attempt) }
    if #attempts > 8 then table.remove(attempts, 1) end
    redis.call('HSET', KEYS[1], 'attempts', cjson.encode(attempts))
  end
  redis.call('HDEL', KEYS[1], 'code', 'reason', 'since')
  if #replaced > 0 then
    redis.call('HSET', KEYS[1], 'displaced', cjson.encode(replaced))
  else
    if entry[6] then
      redis.call('HDEL', KEYS[1], 'displaced')
    end
    -- Without an owner to wait for, the connection is established from now on.
    since = string.format('%.0f', now)
    redis.call('HSET', KEYS[1], 'since', conn .. ' ' .. since)
  end
  redis.call('PERSIST', KEYS[1])
end

local now_stored = redis.call('HMGET', KEYS[1], 'fence', 'displaced')
local replaced = now_stored[2] or '[]'
-- C3: published inside the script, so that the evicts are sent even if the claimer dies right after it.
local function evict(list)
  for _, one in ipairs(list) do
    local code = tonumber((client ~= '' and one.k == client) and ARGV[20] or ARGV[19])
    local text = cjson.encode({ t = 'evict', conn = one.c, fence = now_stored[1], by = conn, to = lease, code = code,
      since = tonumber(since) })
    redis.call('PUBLISH', ARGV[6] .. one.l, string.sub(text, 1, -2) .. ARGV[18])
  end
end
evict(warned)
if now_stored[2] then
  evict(cjson.decode(replaced))
end
local subs = redis.call('HGETALL', KEYS[3])
if #subs > 0 then
  redis.call('EXPIRE', KEYS[3], ARGV[12])
end
local prefs = redis.call('HGETALL', KEYS[4])
if #prefs > 0 then
  redis.call('EXPIRE', KEYS[4], ARGV[12])
end
-- L3: the mailbox at the moment from which the new owner receives new events.
local box = redis.call('HMGET', KEYS[6], 'epoch', 'offset', 'tag', 'acked', 'acked_tag', 'first', 'floor_tag', 'at')
local mailbox = {}
if box[1] then
  local head, first, floor_tag = tonumber(box[2] or '0'), tonumber(box[6] or '1'), box[7] or ''
  -- Events expire by age (box.lua); the metadata that identifies positions lives as long as the user is connected.
  redis.call('PEXPIRE', KEYS[6], ARGV[14] + ARGV[17], 'GT')
  if redis.call('EXISTS', KEYS[5]) == 0 or (box[8] and now - box[8] > tonumber(ARGV[14])) then
    first, floor_tag = head + 1, box[3] or ''
  end
  local resumed = ''
  local offset = tonumber(ARGV[13])
  if offset and offset >= first and offset < head then
    local id = string.format('%.0f-0', offset)
    local found = redis.call('XRANGE', KEYS[5], id, id)[1]
    resumed = found and found[2][2] or ''
  end
  mailbox = { box[1], head, box[3] or '', tonumber(box[4] or '0'), box[5] or '', first, floor_tag, resumed }
end
return { 'ok', now_stored[1], replaced, subs, prefs, amendment, mailbox }
