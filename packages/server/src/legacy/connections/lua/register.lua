#!lua flags=allow-oom
-- Writes the note of where a user's connection to a legacy endpoint is. Idempotent by connection id.
--
-- KEYS 1 legacy <prefix>:{u:<user>}:legacy   hash: conn -> {g=group, l=lease, t=since (ms), n=replacements in a row, code=close code of an
--               order that could not reach its node, 0 = none, a=admin permissions, separated by spaces}
-- ARGV 1 conn
--      2 group
--      3 lease
--      4 'take': the connection is new and replaces the others of its group; 'keep': it is noted, and yields to a newer one
--      5 since (ms), for a lost note
--      6 time to live of the notes, seconds
--      7 replacements closer together than this (ms) count as in a row
--      8 a newer connection counts when it is this old (ms), because before that it may still fail
--      9 cluster time, ms
--      10 admin permissions of the user, separated by spaces
--
-- Result: {1, replacements in a row, conn and lease of each other connection of the group, one after the other ('keep': none)}
--         {0, code}   only for 'keep': a newer connection is noted (code 0), or an order ends this one
local now = tonumber(ARGV[9])
local stored = redis.call('HGET', KEYS[1], ARGV[1])
local mine = stored and cjson.decode(stored) or { g = ARGV[2], t = ARGV[4] == 'take' and now or tonumber(ARGV[5]), n = 0, code = 0 }
if mine.code ~= 0 then
  return { 0, mine.code }
end
mine.l = ARGV[3]
mine.a = ARGV[10]
local others = {}
local all = redis.call('HGETALL', KEYS[1])
for i = 1, #all, 2 do
  local other = cjson.decode(all[i + 1])
  if all[i] ~= ARGV[1] and other.g == ARGV[2] and other.code == 0 then
    if ARGV[4] == 'take' then
      -- A connection that takes is the newest, whatever the clock said before.
      if not stored then mine.t = math.max(mine.t, other.t + 1) end
      others[#others + 1] = all[i]
      others[#others + 1] = other.l
      if not stored and now - other.t < tonumber(ARGV[7]) then
        mine.n = math.max(mine.n, other.n + 1)
      end
    else
      local newer = other.t > mine.t or (other.t == mine.t and all[i] > ARGV[1])
      if newer and now - other.t >= tonumber(ARGV[8]) then
        return { 0, 0 }
      end
    end
  end
end
redis.call('HSET', KEYS[1], ARGV[1], cjson.encode(mine))
redis.call('EXPIRE', KEYS[1], ARGV[6])
return { 1, mine.n, unpack(others) }
