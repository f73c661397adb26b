-- queue_limits: how many leases may count, and which do.

-- Projects and types of agents are counted once somebody has set a limit for any of them.
local counted
local function counts_all()
	if counted == nil then counted = call('EXISTS', q .. ':counted') == 1 end
	return counted
end

-- Its tenant, its user, then what else.
local function limits_of(h)
	if h.names then return h.names end
	local t = h.t
	local names = {'t:' .. t, 'u:' .. t .. ':' .. h.u, nil, nil, nil}
	if counts_all() then
		if h.pj ~= '' then names[#names + 1] = 'p:' .. t .. ':' .. h.pj end
		if h.ag ~= '' then names[#names + 1] = 'a:' .. t .. ':' .. h.ag end
	end
	if h.key ~= '' then
		h.keyed = 'c:' .. t .. ':' .. h.key
		names[#names + 1] = h.keyed
	end
	h.names = names
	return names
end

-- How many more leases may count; read once in a call, so count_in() and count_out() keep it true. A
-- key of concurrency for which nothing else is said admits one session.
local rooms, kinds, exact = {}, nil, false
local function room_of(name)
	local room = rooms[name]
	if room then return room end
	if not kinds then
		local all = call('HMGET', q .. ':limit', 't:*', 'u:*', 'p:*', 'a:*', 'c:*')
		local known = 0
		for i = 1, 5 do known = known + (all[i] and 1 or 0) end
		kinds = {t = all[1], u = all[2], p = all[3], a = all[4], c = all[5] or '1'}
		exact = call('HLEN', q .. ':limit') > known
	end
	local limit = exact and call('HGET', q .. ':limit', name) or kinds[string.sub(name, 1, 1)]
	room = limit and limit - call('SCARD', K .. name) or math.huge
	rooms[name] = room
	return room
end

local function counts(name, sid)
	return call('SISMEMBER', K .. name, sid) == 1
end

-- Whether a lease of this session would be within all its limits. The key it kept is its own.
local function may_lease(h)
	for _, name in ipairs(limits_of(h)) do
		if room_of(name) <= 0 and not counts(name, h.sid) then return false end
	end
	return true
end

local waits -- whether anybody waits for room, once that is known
local function anybody_waits()
	if waits == nil then waits = call('EXISTS', q .. ':waits') == 1 end
	return waits
end

local function wait_for(name)
	call('ZADD', q .. ':waits', 'NX', at, name)
	waits = true
end

local function count_in(h)
	local names = h.names or limits_of(h)
	for i = 1, #names do
		local name = names[i]
		if call('SADD', K .. name, h.sid) == 1 then
			local room = rooms[name]
			if room then rooms[name] = room - 1 end
		end
	end
end
