-- queue_slots: how many sessions workers work on here. Keys: see queue_core.
--
-- KEYS 1 {q<k>}
-- ARGV incarnations, at most 128
-- returns {number ...}
local counts = {}
for i, inc in ipairs(ARGV) do counts[i] = redis.call('ZCARD', KEYS[1] .. ':w:' .. inc) end
return counts
