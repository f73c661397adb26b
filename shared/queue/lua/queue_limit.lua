-- with queue_core.lua
-- with queue_items.lua
-- with queue_limits.lua
-- with queue_gates.lua
-- with queue_turns.lua
-- with queue_tree.lua
-- with queue_waits.lua
-- queue_limit: set limits and weights, and wake who waits for them.
--
-- KEYS 1 {q<k>}
-- ARGV 1 bell channel, then pairs: "weight" or a limit's name (t:<tenant>, "u:*", ...), and its value:
--      "" forgets it; a weight's value is "<tenant> <weight>"; at most 64 pairs
-- returns {number woken}
for i = 2, #ARGV, 2 do
	local name, value = ARGV[i], ARGV[i + 1]
	if name == 'weight' then
		local tenant, weight = string.match(value, '^(%S+) (%d+)$')
		call('HSET', q .. ':weight', tenant, weight)
	elseif value == '' then
		call('HDEL', q .. ':limit', name)
	else
		call('HSET', q .. ':limit', name, value)
		if string.find(name, '^[pa]:') then count_all() end
	end
end
for i = 2, #ARGV, 2 do
	if string.find(ARGV[i], '^[tupac]:') then
		for _ = 1, math.min(start_room(ARGV[i]), 32 - woken) do wake(ARGV[i]) end
	end
end
write_all()
if woken > 0 then ring(ARGV[1], 0) end
return {woken}
