#!lua flags=allow-oom
-- Sets a key that is not there, and tells what it holds. A script, so that a full Redis refuses none of it (Q6): SET is refused
-- though the key is there. Only for keys of which there are few.
--
-- KEYS 1 key   string
-- ARGV 1 value
--
-- Result: the value that is there
redis.call('SET', KEYS[1], ARGV[1], 'NX')
return redis.call('GET', KEYS[1])
