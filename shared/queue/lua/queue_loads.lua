-- queue_loads: how much is ready, and what workers have. Keys: see queue_core.
--
-- KEYS 1 {q<k>}
-- ARGV incarnations, at most 128
-- returns {sessions ready, then for each incarnation: it works on, parked on it ...}
local q, call = KEYS[1], redis.call
local ready, classes = 0, call('HVALS', q .. ':cn')
for i = 1, math.min(#classes, 128) do ready = ready + call('ZCARD', q .. ':ready:' .. classes[i]) end
local rows = {ready}
for i = 1, #ARGV do
	rows[#rows + 1] = call('ZCARD', q .. ':w:' .. ARGV[i])
	rows[#rows + 1] = call('ZCARD', q .. ':p:' .. ARGV[i])
end
return rows
