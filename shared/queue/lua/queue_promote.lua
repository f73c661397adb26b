-- with queue_core.lua
-- with queue_items.lua
-- with queue_limits.lua
-- with queue_gates.lua
-- with queue_turns.lua
-- with queue_tree.lua
-- with queue_waits.lua
-- queue_promote: delayed -> ready for those that are due, forget what was done long ago and classes of
-- which nothing is ready, look at the limits for which somebody waits, and count leases that were not
-- counted for all their limits; as much of each as leaves the script short, then again.
--
-- KEYS 1 {q<k>}
-- ARGV 1 ms that done sessions are remembered  2 bell channel
-- returns {number promoted, or 128 when there is more of anything to do at once, ms until the next is due, "" none is delayed, number woken, leases that
--          were counted but are none}
local SOME = 32
local due = call('ZRANGEBYSCORE', q .. ':delayed', '-inf', at, 'LIMIT', 0, SOME)
know_all(due)
for _, sid in ipairs(due) do
	local h = item_of(sid)
	later('ZREM', q .. ':delayed', sid)
	if string.sub(h.why, 1, 5) == 'wait:' then
		call('ZREM', q .. ':wait:' .. string.sub(h.why, 6), sid)
	end
	enter(h)
end

local old = string.format('%.0f', now - ARGV[1])
local over = call('ZRANGEBYSCORE', q .. ':done', '-inf', old, 'LIMIT', 0, 128)
if #over > 0 then
	call('ZREM', q .. ':done', unpack(over))
	call('HDEL', I, unpack(over))
end

write_all()
local classes = call('HGETALL', q .. ':ci')
for i = 1, math.min(#classes, 256), 2 do
	if call('EXISTS', q .. ':ready:' .. classes[i]) == 0 then
		call('HDEL', q .. ':ci', classes[i])
		call('HDEL', q .. ':cn', classes[i + 1])
		call('HDEL', q .. ':flag', classes[i])
	end
end

-- From the last on: what leaves a set moves others towards its beginning, and what comes into one is
-- counted. Who is leasing now is counted before those that are leased are looked at.
local recount = call('GET', q .. ':recount')
if recount then
	local set, rank = string.match(recount, '^(%a+) (.+)$')
	rank = tonumber(rank)
	local sids = rank >= 0 and call('ZRANGE', q .. ':' .. set, math.max(0, rank - SOME + 1), rank) or {}
	know_all(sids)
	for _, sid in ipairs(sids) do
		local h = item_of(sid)
		if h then count_in(h) end
	end
	if rank >= SOME then
		call('SET', q .. ':recount', string.format('%s %d', set, rank - SOME))
	elseif set == 'leasing' then
		call('SET', q .. ':recount', 'leased ' .. call('ZCARD', q .. ':leased') - 1)
	else
		call('DEL', q .. ':recount')
		recount = nil
	end
end

-- Nobody waits for room that is there, and nothing counts that is no lease: both hold without this;
-- it is what proves it, and mends it when a limit was raised for all of a kind.
local drift = 0
for _, name in ipairs(call('ZRANGE', q .. ':waits', 0, 15)) do
	call('ZADD', q .. ':waits', at, name)
	for _, sid in ipairs(call('SRANDMEMBER', K .. name, 8)) do
		local h = item_of(sid)
		local set = h and h.set
		if set ~= 'leasing' and set ~= 'leased' and
			(string.sub(name, 1, 1) ~= 'c' or not set or set == 'done') then
			call('SREM', K .. name, sid)
			drift = drift + 1
		end
	end
	for _ = 1, math.min(start_room(name), SOME - woken) do wake(name) end
end
write_all()
if #due + woken > 0 then ring(ARGV[2], #due) end

local next = call('ZRANGE', q .. ':delayed', 0, 0, 'WITHSCORES')
return {(recount or woken >= SOME or #due == SOME) and 128 or #due, next[2] and string.format('%.0f', math.max(0, next[2] - now)) or '', woken, drift}
