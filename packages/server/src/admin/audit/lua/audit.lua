#!lua flags=allow-oom
-- Appends an entry to the audit record. `allow-oom`: an order given while Redis is full must be recorded too, and the record is bounded.
--
-- KEYS 1 audit <prefix>:audit   stream
-- ARGV 1 number of entries to keep
--      2… fields and values of the entry, alternating
--
-- Result: id of the entry
-- Errors: none of its own.
return redis.call('XADD', KEYS[1], 'MAXLEN', '~', ARGV[1], '*', unpack(ARGV, 2))
