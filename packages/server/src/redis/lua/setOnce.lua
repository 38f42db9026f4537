#!lua flags=allow-oom
-- Sets a key if it is absent, and returns its value. A script, so that a full Redis does not refuse it (Q6): plain SET is refused
-- even when the key exists. Only for kinds of keys with few members.
--
-- KEYS 1 key   string
-- ARGV 1 value
--
-- Result: the stored value
redis.call('SET', KEYS[1], ARGV[1], 'NX')
return redis.call('GET', KEYS[1])
