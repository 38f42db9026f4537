#!lua flags=allow-oom
-- Writes the next beat of a lease. Writes its card too when the card is new or changed (a Redis that lost its data has none). Reads
-- the beats of all nodes (C9). This is a script so that a full Redis does not fence any node (Q6).
--
-- The beat is stored with the times of the first and of this beat. They tell a restarted node from a second node of the same name.
-- They do not decide whether a lease lives (C9): it lives as long as the text changes.
--
-- KEYS 1 nodes  <prefix>:nodes          hash  lease -> <beat>@<time of the first, ms>@<time of this one, ms>, or `ended`
--      2 cards  {<prefix>:nodes}:cards  hash  lease -> card; `mark` -> names the last change
--      3 installation {<prefix>:nodes}:installation  string  names the installation
-- ARGV 1 lease
--      2 beat, or `ended`
--      3 card of the lease; '' removes the card
--      4 mark of the cards that the caller knows
--      5 id of the installation that the caller knows, written when Redis has none
--
-- Result: {1 when the lease was not there before, else 0; flat array of lease, beat, …;
--          flat array of the cards, `mark` among them, empty when the caller knows them; id of the installation}
local beat = ARGV[2]
if beat ~= 'ended' then
  local time = redis.call('TIME')
  local now = time[1] .. string.format('%03d', math.floor(time[2] / 1000))
  local stored = redis.call('HGET', KEYS[1], ARGV[1])
  local born = stored and string.match(stored, '@(%d+)@%d+$') or now
  beat = beat .. '@' .. born .. '@' .. now
end
local created = redis.call('HSET', KEYS[1], ARGV[1], beat)
local card = redis.call('HGET', KEYS[2], ARGV[1]) or ''
if card ~= ARGV[3] then
  if ARGV[3] == '' then
    redis.call('HDEL', KEYS[2], ARGV[1])
  else
    redis.call('HSET', KEYS[2], ARGV[1], ARGV[3])
  end
  -- A node of a version before the cards removes leases but leaves their cards.
  for _, lease in ipairs(redis.call('HKEYS', KEYS[2])) do
    if lease ~= 'mark' and redis.call('HEXISTS', KEYS[1], lease) == 0 then redis.call('HDEL', KEYS[2], lease) end
  end
  -- Never the same mark twice: a Redis that was set back could otherwise reuse a known mark for other cards.
  redis.call('HSET', KEYS[2], 'mark', ARGV[1] .. ':' .. ARGV[2])
end
local cards = {}
if redis.call('HGET', KEYS[2], 'mark') ~= ARGV[4] then cards = redis.call('HGETALL', KEYS[2]) end
redis.call('SET', KEYS[3], ARGV[5], 'NX')
return { created, redis.call('HGETALL', KEYS[1]), cards, redis.call('GET', KEYS[3]) }
