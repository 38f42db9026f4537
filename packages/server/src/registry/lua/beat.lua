#!lua flags=allow-oom
-- Writes the next beat of a lease, and its card when that is new or changed (a Redis that lost its data has none), and reads
-- everybody's (C9). A script, so that a full Redis fences nobody (Q6).
--
-- KEYS 1 nodes  <prefix>:nodes          hash  lease -> beat
--      2 cards  {<prefix>:nodes}:cards  hash  lease -> card; `mark` -> names the last change
-- ARGV 1 lease
--      2 beat
--      3 card of the lease; '' takes it away
--      4 mark of the cards that the caller knows
--
-- Result: {1 when the lease was not there before, else 0; flat array of lease, beat, …;
--          flat array of the cards, `mark` among them, empty when the caller knows them}
local created = redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
local card = redis.call('HGET', KEYS[2], ARGV[1]) or ''
if card ~= ARGV[3] then
  if ARGV[3] == '' then
    redis.call('HDEL', KEYS[2], ARGV[1])
  else
    redis.call('HSET', KEYS[2], ARGV[1], ARGV[3])
  end
  -- A node that knows nothing of cards removes leases without them.
  for _, lease in ipairs(redis.call('HKEYS', KEYS[2])) do
    if lease ~= 'mark' and redis.call('HEXISTS', KEYS[1], lease) == 0 then redis.call('HDEL', KEYS[2], lease) end
  end
  -- Never the same twice, or a Redis that was set back could name other cards by a mark that is known.
  redis.call('HSET', KEYS[2], 'mark', ARGV[1] .. ':' .. ARGV[2])
end
local cards = {}
if redis.call('HGET', KEYS[2], 'mark') ~= ARGV[4] then cards = redis.call('HGETALL', KEYS[2]) end
return { created, redis.call('HGETALL', KEYS[1]), cards }
