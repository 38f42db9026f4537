#!lua
-- Records how events of one queue ended: one record for all of them in a stream, and per id a note that names the record. Ids whose
-- first characters agree share a field, one after the other: a field for each would take three times as much memory. Idempotent for
-- readers: of several notes of an id the newest counts.
--
-- KEYS 1 bucket <queue prefix>:told:<number>  hash: first two characters of short ids -> per id {the rest, its note}
--      2 recent <queue prefix>:recent         stream: e = events, a line feed, and their positions (eventRecord.ts)
-- ARGV 1 life of the bucket, ms
--      2 length of a note that names a job, as it follows the rest of the id
--      3 events of the record; '' = there is none
--      4 their positions
--      5 life of the stream from now on, ms; '' = as it is
--      6 time before which records are over, ms
--      7.. per event: short id, its outcome as text; '' removes the note that names its job
--
-- Result: id of the record, followed by a dot; or ''
local FIELD, NAMES, FIRST = 2, 'j', 7
local length = tonumber(ARGV[2])
local record = ''
if ARGV[3] ~= '' then
  -- Old nodes read the first character of a note alone.
  record = redis.call('XADD', KEYS[2], 'MINID', '~', ARGV[6], '*', 'e', ARGV[3] .. '\n' .. ARGV[4]) .. '.'
  if ARGV[5] ~= '' then
    redis.call('PEXPIRE', KEYS[2], ARGV[5])
  end
end
local fields = {}
for i = FIRST, #ARGV, 2 do
  fields[#fields + 1] = string.sub(ARGV[i], 1, FIELD)
end
if #fields == 0 then
  return record
end
local had, kept = redis.call('HMGET', KEYS[1], unpack(fields)), {}
for i = 1, #fields do
  local field = fields[i]
  local rest, outcome = string.sub(ARGV[FIRST + 2 * (i - 1)], FIELD + 1), ARGV[FIRST + 2 * (i - 1) + 1]
  local text = kept[field] or had[i] or ''
  if string.sub(outcome, 1, 1) ~= NAMES then
    local at = string.find(text, rest .. NAMES, 1, true)
    if at then
      text = string.sub(text, 1, at - 1) .. string.sub(text, at + #rest + length)
    end
    outcome = outcome == '' and '' or outcome .. record
  end
  kept[field] = outcome == '' and text or text .. rest .. outcome
end
local flat, empty = {}, {}
for field, text in pairs(kept) do
  if text == '' then
    empty[#empty + 1] = field
  else
    flat[#flat + 1] = field
    flat[#flat + 1] = text
  end
end
if #empty > 0 then
  redis.call('HDEL', KEYS[1], unpack(empty))
end
if #flat > 0 then
  redis.call('HSET', KEYS[1], unpack(flat))
  redis.call('PEXPIRE', KEYS[1], ARGV[1])
end
return record
