-- with queue_core.lua
-- queue_promote: delayed -> ready for those that are due, forget what was done long ago and classes of
-- which nothing is ready, and look at the limits for which somebody waits; at most 128 of each.
--
-- KEYS 1 {q<k>}
-- ARGV 1 ms that done sessions are remembered  2 bell channel
-- returns {number promoted, ms until the next is due, "" none is delayed, number woken, leases that
--          were counted but are none}
local due = call('ZRANGEBYSCORE', q .. ':delayed', '-inf', at, 'LIMIT', 0, 128)
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
	for _ = 1, math.min(room_of(name), 128 - woken) do wake(name) end
end
write_all()
if #due + woken > 0 then ring(ARGV[2], #due) end

local next = call('ZRANGE', q .. ':delayed', 0, 0, 'WITHSCORES')
return {#due, next[2] and string.format('%.0f', math.max(0, next[2] - now)) or '', woken, drift}
