#!lua flags=allow-oom
-- Puts a roll-out in force, if the one in force is the one that it was made from. `allow-oom`, because a roll-back must work when everything
-- else fails, and this one key is bounded.
--
-- KEYS 1 rollout <prefix>:rollout  hash: tag, version, mode, percentage, user_list (JSON), force_legacy (JSON), enforce (1 or 0),
--                                  changed_at, changed_by, reason, rolled_back (JSON)
-- ARGV 1 tag of the roll-out that it was made from; '' when there was none
--      2 tag of the new one: random, so that a version that occurs again after a fail-over is not mistaken for the earlier one
--      3… all fields and values of the new one
--
-- Result: 1 when it is in force (also for a repeat), 0 when another change came first
-- Errors: none of its own.
local tag = redis.call('HGET', KEYS[1], 'tag') or ''
if tag == ARGV[2] then
  return 1
end
if tag ~= ARGV[1] then
  return 0
end
redis.call('HSET', KEYS[1], 'tag', ARGV[2], unpack(ARGV, 3))
return 1
