#!lua
-- Records the outcomes of events of one queue. Ids whose first characters agree share a field, one after the other: a field for each would
-- take three times as much memory. Idempotent for readers: of several outcomes of an id the newest counts.
--
-- KEYS 1 bucket <queue prefix>:told:<number>  hash: first two characters of short ids -> per id {the rest, its outcome}
-- ARGV 1 life of the bucket, ms
--      2 length of an outcome that names a job, as it follows the rest of the id
--      3.. per event: short id, its outcome as text; '' removes the outcome that names its job
--
-- Result: nothing.
local FIELD, NAMES = 2, 'j'
local length = tonumber(ARGV[2])
local fields = {}
for i = 3, #ARGV, 2 do
  fields[#fields + 1] = string.sub(ARGV[i], 1, FIELD)
end
local had, kept = redis.call('HMGET', KEYS[1], unpack(fields)), {}
for i = 1, #fields do
  local field = fields[i]
  local rest, outcome = string.sub(ARGV[1 + 2 * i], FIELD + 1), ARGV[2 + 2 * i]
  local text = kept[field] or had[i] or ''
  if string.sub(outcome, 1, 1) ~= NAMES then
    local at = string.find(text, rest .. NAMES, 1, true)
    if at then
      text = string.sub(text, 1, at - 1) .. string.sub(text, at + #rest + length)
    end
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
