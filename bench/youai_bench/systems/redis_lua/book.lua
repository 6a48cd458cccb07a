-- Decides one booking at once: its slot, its row, its event. KEYS: slot, rows, events.
-- ARGV: slot id, request id, venue id, party size, the time as text. Answers with the first outcome.
local known = redis.call('HGET', KEYS[2], ARGV[2])
if known then
    return string.match(known, '^%a+')
end
local slot = redis.call('HMGET', KEYS[1], 'capacity', 'waitlist', 'taken', 'waiting', 'sequence', 'rule_version')
local capacity, taken, waiting, sequence = tonumber(slot[1]), tonumber(slot[3]), tonumber(slot[4]), slot[5] + 1
local size = tonumber(ARGV[4])
local outcome, reason, place, ahead, en, zh
if size <= capacity - taken then
    outcome, reason, place, ahead = 'confirmed', 'place-free', 'null', 'null'
    taken = taken + size
    en = 'There was room: your ' .. size .. ' places are confirmed.'
    zh = '有名额，已为您确认' .. size .. '个名额。'
elseif slot[2] == '' or waiting < tonumber(slot[2]) then
    outcome, reason, ahead, place = 'waitlisted', 'full', waiting, waiting + 1
    waiting = waiting + size
    en = 'All ' .. capacity .. ' places are taken. You are number ' .. place .. ' in the queue, with ' .. ahead
        .. ' places wanted before you.'
    zh = '名额已满（共' .. capacity .. '个）。您排在候补第' .. place .. '位，前面还有' .. ahead .. '个名额的需求。'
else
    outcome, reason, place, ahead = 'rejected', 'waitlist-full', 'null', 'null'
    en = 'All ' .. capacity .. ' places are taken, and the queue is full.'
    zh = '名额已满（共' .. capacity .. '个），候补也已满。'
end
redis.call('HSET', KEYS[1], 'taken', taken, 'waiting', waiting, 'sequence', sequence)
redis.call('HSET', KEYS[2], ARGV[2], outcome .. ' ' .. sequence .. ' ' .. ARGV[3] .. ' ' .. ARGV[4])
local no_hash = '0000000000000000000000000000000000000000000000000000000000000000'
redis.call('XADD', KEYS[3], '*', 'event', '{"ahead":' .. ahead .. ',"capacity":' .. capacity .. ',"decided_at":"'
    .. ARGV[5] .. '","hash":"' .. no_hash .. '","log_offset":0,"log_partition":0,"outcome":"' .. outcome
    .. '","party_size":' .. ARGV[4] .. ',"place":' .. place .. ',"previous_hash":"' .. no_hash .. '","reason":"'
    .. reason .. '","reason_en":"' .. en .. '","reason_zh":"' .. zh .. '","request_id":"' .. ARGV[2]
    .. '","rule_version":"' .. slot[6] .. '","sequence":' .. sequence .. ',"slot_id":"' .. ARGV[1] .. '","taken":'
    .. taken .. ',"venue_id":"' .. ARGV[3] .. '"}')
return outcome
