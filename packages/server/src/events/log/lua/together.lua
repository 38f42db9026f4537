#!lua
-- Appends the events of one turn to the log and to mailboxes, and publishes what was appended, in one step. For one Redis that
-- holds them all: in a Cluster each part is a call of its own. When it is asked whether a queue is idle, it appends only then (Q8).
--
-- The parts are scripts of their own, with their own keys and arguments; see there. `outcomes` is told the positions, which no caller
-- knows before.
local idle = include('idle')
local log = include('log')
local box = include('box')
local outcomes = include('outcomes')
-- KEYS those of the parts, one part after the other
-- ARGV 1 lease of the caller: mail for its own users is not published, the caller has it
--      2 channel of a node, but for the lease
--      3 end of what is published: `}`, or the signature of the installation with it
--      4 cluster time, ms
--      5 characters of the events of a mailbox above which the message only says that there are some
--      6 characters of one message, unless a single mailbox has more
--      7 keys and 8 arguments of `idle`; 9 and 10 of `log`; 11 and 12 of `outcomes`: 0 leaves the part out
--      13 number of mailboxes
--      14.. arguments of the parts: idle, log, outcomes; then per mailbox: user as JSON, number of keys, number of arguments, and these
--
-- Result: the answer of `idle` when the queue is not idle; else {result of log, or {}, {per mailbox its result}, result of outcomes,
-- or ''}
-- Errors: none of its own.
local next_key, next_arg = 1, 14
local function part(run, keys, args)
  local last_key, last_arg = next_key + keys - 1, next_arg + args - 1
  local from_key, from_arg = next_key, next_arg
  next_key, next_arg = last_key + 1, last_arg + 1
  local own_keys, own_args = {}, {}
  for i = from_key, last_key do
    own_keys[i - from_key + 1] = KEYS[i]
  end
  for i = from_arg, last_arg do
    own_args[i - from_arg + 1] = ARGV[i]
  end
  return run(own_keys, own_args), own_args
end

local function size(at)
  return tonumber(ARGV[at])
end
if size(7) > 0 then
  local state = part(idle, size(7), size(8))
  if state ~= 1 then
    return state
  end
end
local logged, logged_args = {}, nil
if size(9) > 0 then
  logged, logged_args = part(log, size(9), size(10))
end
local noted_key, noted_arg = next_key, next_arg
next_key, next_arg = next_key + size(11), next_arg + size(12)

-- As eventRecord.ts reads them: the log, then the mailboxes.
local positions, fresh = { '' }, 0
local function position(epoch, offsets, args, first)
  local texts = { epoch }
  for n, offset in ipairs(offsets) do
    if offset > 0 then
      fresh = fresh + 1
      texts[n + 1] = string.format('%.0f', offset) .. '.' .. args[first + 3 * (n - 1)]
    else
      texts[n + 1] = '0'
    end
  end
  return table.concat(texts, ',')
end
if size(11) > 0 and size(9) > 0 then
  -- As append.lua takes them: per event id, tag and JSON, from the twelfth argument on.
  positions[1] = position(logged[1], logged[4], logged_args, 13)
end

-- Per lease the messages about its mailboxes, in pieces that are joined once.
local messages, leases = {}, {}
local results = {}
for i = 1, size(13) do
  local user, keys, args = ARGV[next_arg], size(next_arg + 1), size(next_arg + 2)
  next_arg = next_arg + 3
  local result, own = part(box, keys, args)
  results[i] = result
  local epoch, head, first, prev_tag, offsets, lease = result[1], result[2], result[4], result[5], result[6], result[7]
  if size(11) > 0 then
    positions[i + 1] = position(epoch, offsets, own, 11)
  end
  if lease ~= '' and lease ~= ARGV[1] then
    local pieces, characters = {}, 0
    for n, offset in ipairs(offsets) do
      if offset > 0 then
        -- As box.lua takes them: per event id, tag and JSON, from the tenth argument on.
        local text = own[10 + 3 * (n - 1) + 2]
        characters = characters + #text
        pieces[#pieces + 1] = '["' .. own[10 + 3 * (n - 1) + 1] .. '",' .. text .. ']'
      end
    end
    if characters > size(5) then
      pieces = {}
    end
    local text = '{"user":' .. user .. ',"epoch":"' .. epoch .. '","first":' .. string.format('%.0f', first) .. ',"prev_tag":"'
      .. prev_tag .. '","head":' .. string.format('%.0f', head) .. ',"events":[' .. table.concat(pieces, ',') .. ']}'
    local message = messages[lease]
    if message and message.characters + #text > size(6) then
      redis.call('PUBLISH', ARGV[2] .. lease, '{"t":"user","boxes":[' .. table.concat(message.boxes, ',') .. '],"time":' .. ARGV[4] .. ARGV[3])
      message = nil
    end
    if not message then
      message = { boxes = {}, characters = 0 }
      if not messages[lease] then
        leases[#leases + 1] = lease
      end
      messages[lease] = message
    end
    message.boxes[#message.boxes + 1] = text
    message.characters = message.characters + #text
  end
end
for _, lease in ipairs(leases) do
  redis.call('PUBLISH', ARGV[2] .. lease,
    '{"t":"user","boxes":[' .. table.concat(messages[lease].boxes, ',') .. '],"time":' .. ARGV[4] .. ARGV[3])
end
local record = ''
if size(11) > 0 then
  next_key, next_arg = noted_key, noted_arg
  local text = table.concat(positions, ';')
  record = part(function(keys, args)
    -- What was appended before has its record.
    if fresh == 0 and args[4] == '' then
      args[3] = ''
    end
    args[4] = text
    return outcomes(keys, args)
  end, size(11), size(12))
end
return { logged, results, record }
