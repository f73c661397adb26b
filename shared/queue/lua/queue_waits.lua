-- queue_waits: who waits for room, and out of the set that a session is in.

-- From now on projects and types of agents are counted too; promote counts the leases from before.
local function count_all()
	if counts_all() then return end
	counted = true
	call('SET', q .. ':counted', '1')
	call('SET', q .. ':recount', 'leasing ' .. call('ZCARD', q .. ':leasing') - 1)
end

local woken = 0 -- who took part again in this call

local function block(h, name)
	leave(h)
	later('ZADD', q .. ':held', h.sid, at)
	call('ZADD', q .. ':b:' .. name, order_of(h), h.sid)
	wait_for(name)
	save(h, 'held', 'limit:' .. name)
end

local function unblock(h, name)
	call('ZREM', q .. ':b:' .. name, h.sid)
	if call('EXISTS', q .. ':b:' .. name) == 0 then call('ZREM', q .. ':waits', name) end
end

-- There may be room: whoever waits for it takes part again. Returns what became ready: 0 or 1
-- session, or 1 for a tenant or a user.
local function wake(name)
	if not anybody_waits() or start_room(name) <= 0 or not call('ZSCORE', q .. ':waits', name) then return 0 end
	local kind, rest = string.match(name, '^(.):(.*)$')
	if kind == 't' or kind == 'u' then
		local full = q .. (kind == 't' and ':ft:' or ':fu:') .. rest
		local classes = call('ZRANGE', full, 0, -1)
		call('DEL', full)
		call('ZREM', q .. ':waits', name)
		for _, c in ipairs(classes) do
			if kind == 't' then show_tenant(c, rest) else
				show_user(c, string.match(rest, '^([^:]+):(.*)$'))
			end
		end
		if #classes == 0 then return 0 end
		woken = woken + 1
		return 1
	end
	local first = call('ZRANGE', q .. ':b:' .. name, 0, 0)[1]
	if not first then
		call('ZREM', q .. ':waits', name)
		return 0
	end
	local h = item_of(first)
	unblock(h, name)
	later('ZREM', q .. ':held', first)
	enter(h)
	woken = woken + 1
	return 1
end

-- "ready" and how many became so; who was woken may stand for any number.
local function ring(channel, count)
	call('PUBLISH', channel, 'ready ' .. (woken > 0 and 128 or count))
end

-- A session takes no part any more, though it was perhaps woken for the room there is.
local function wake_others(h)
	for _, name in ipairs(limits_of(h)) do wake(name) end
end

-- What had a lease counted for all its limits, what had none perhaps for its key, which a parked one
-- keeps.
local function count_out(h, had, parks)
	local names, any, sid = h.names or limits_of(h), anybody_waits(), h.sid
	for i = had and 1 or #names, #names do
		local name = names[i]
		if not parks or name ~= h.keyed then
			if call('SREM', K .. name, sid) == 1 then
				local room = rooms[name]
				if room then rooms[name] = room + 1 end
			end
		end
	end
	for i = 1, any and #names or 0 do
		if not parks or names[i] ~= h.keyed then wake(names[i]) end
	end
end

-- ---- out of the set it is in ----

local function take_out(h)
	local sid, inc = h.sid, h.inc
	if h.set == 'ready' then
		leave(h)
		wake_others(h)
		return
	end
	later('ZREM', q .. ':' .. h.set, sid)
	if h.set == 'parked' then
		call('ZREM', q .. ':p:' .. inc, sid)
		call('ZREM', q .. ':n:' .. inc, sid)
		call('ZREM', q .. ':back:' .. inc, sid)
	elseif h.why == '' then
		return
	elseif string.sub(h.why, 1, 6) == 'limit:' then
		unblock(h, string.sub(h.why, 7))
	elseif string.sub(h.why, 1, 5) == 'wait:' then
		call('ZREM', q .. ':wait:' .. string.sub(h.why, 6), sid)
	end
end
