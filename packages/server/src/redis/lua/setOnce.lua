#!lua flags=allow-oom
-- Sets a key that is not there, and tells what it holds. A script, so that a full Redis refuses none of it (Q6): SET is refused
-- though the key is there. Only for keys of which there are few.
--
-- KEYS 1 key   string
-- ARGV 1 value
--      2 time to live, ms; '' for none
--
-- Result: {1 when it was set, else 0; the value that is there}
local set
if ARGV[2] == '' then
  set = redis.call('SET', KEYS[1], ARGV[1], 'NX')
else
  set = redis.call('SET', KEYS[1], ARGV[1], 'NX', 'PX', ARGV[2])
end
return { set and 1 or 0, redis.call('GET', KEYS[1]) }
