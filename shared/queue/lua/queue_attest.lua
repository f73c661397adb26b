-- with queue_core.lua
-- with queue_items.lua
-- with queue_limits.lua
-- with queue_gates.lua
-- with queue_turns.lua
-- with queue_tree.lua
-- with queue_waits.lua
-- queue_attest: after a loss of Redis a worker says which sessions it has, with what the queue told it of
-- them before. The log decides whose a session is: what is wrong here is seen there and put right.
--
-- KEYS 1 {q<k>}
-- ARGV 1 incarnation, then for each session: sid, epoch it is in, attempt, leased | parked, "1" when
--      it cannot be asked to leave, "2" when it also takes no place, reason, what it was submitted with
-- returns for each {ok, attempt from now on} or {conflict}: the queue knows of a later lease, or of its end
local inc = ARGV[1]
local held = {leasing = true, leased = true, parked = true}

local function later_than(h, epoch, attempt)
	if h.set == 'done' then return true end
	if not held[h.set] then return tonumber(h.e) > epoch end
	return h.inc ~= inc and tonumber(h.a) >= attempt
end

local function forget_place(h)
	local had = h.set == 'leasing' or h.set == 'leased'
	if had then later('ZREM', q .. ':w:' .. h.inc, h.sid) end
	if held[h.set] then count_out(h, had, false) end
	take_out(h)
end

local function attest(sid, epoch, attempt, set, how, why, f)
	local h = item_of(sid)
	if not h then
		know(sid, f .. '\n|||0|0||0||')
		h = item_of(sid)
	elseif later_than(h, tonumber(epoch), tonumber(attempt)) then
		return {'conflict'}
	else
		forget_place(h)
	end
	if tonumber(h.a) < tonumber(attempt) then h.a = attempt end
	h.e, h.c, h.inc, h.first = epoch, '', inc, '0'
	later('ZADD', q .. ':' .. set, sid, at)
	if set == 'leased' then
		later('ZADD', q .. ':w:' .. inc, sid, at)
		count_in(h)
	else
		later('ZADD', q .. (how == '2' and ':n:' or ':p:') .. inc, sid, how == '1' and '0' or at)
		if h.key ~= '' then call('SADD', K .. 'c:' .. h.t .. ':' .. h.key, sid) end
	end
	save(h, set, why)
	return {'ok', h.a}
end

local results = {}
for i = 2, #ARGV, 7 do
	results[#results + 1] = attest(unpack(ARGV, i, i + 6))
end
write_all()
return results
