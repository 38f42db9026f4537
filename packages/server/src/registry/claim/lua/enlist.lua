#!lua flags=allow-oom
-- Notes that a lease is about to hold a user, before the claim, so that the set is always a superset (C11).
--
-- KEYS 1 users  <prefix>:{n:<lease>}:users   set
-- ARGV 1… users
--
-- Result: the number that was new
return redis.call('SADD', KEYS[1], unpack(ARGV))
