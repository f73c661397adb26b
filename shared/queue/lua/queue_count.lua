-- queue_count: how many sessions are where. Keys: see queue_core.
--
-- KEYS 1 {q<k>}
-- returns {ready, delayed, held, leasing, leased, parked, done}
local q, ready, counts = KEYS[1], 0, {}
local classes = redis.call('HGETALL', q .. ':ci')
for i = 1, #classes, 2 do
	ready = ready + redis.call('ZCARD', q .. ':ready:' .. classes[i])
end
counts[1] = ready
for _, set in ipairs({'delayed', 'held', 'leasing', 'leased', 'parked', 'done'}) do
	counts[#counts + 1] = redis.call('ZCARD', q .. ':' .. set)
end
return counts
