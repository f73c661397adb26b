-- queue_tree: what is ready, and the turns of those that it is of.

local AGING_MS = 600000

-- ---- turns ----

local function pass_of(key, who)
	return (pass_in_turn(call('HMGET', key, who, '*')))
end

local function set_pass(key, who, pass)
	call('HSET', key, who, pass .. '|' .. at)
end

local function show_tenant(c, t)
	if call('EXISTS', q .. ':ft:' .. t) == 1 then
		call('ZADD', q .. ':ft:' .. t, '0', c)
	else
		call('ZADD', q .. ':T:' .. c, 'NX', pass_of(q .. ':v', t), t)
	end
end

local function show_user(c, t, u)
	local full = q .. ':fu:' .. t .. ':' .. u
	if call('EXISTS', full) == 1 then
		call('ZADD', full, '0', c)
	else
		local pass = pass_of(q .. ':v:' .. t, u)
		call('ZADD', q .. ':U:' .. c .. ':' .. t, 'NX', pass, u)
		show_tenant(c, t)
	end
end

-- ---- what is ready ----

local function class_of(need)
	local c = call('HGET', q .. ':cn', need)
	if not c then
		c = string.format('%.0f', call('HINCRBY', q .. ':seq', 'class', 1))
		call('HSET', q .. ':cn', need, c)
		call('HSET', q .. ':ci', c, need)
	end
	return c
end

-- A level of priority is worth AGING_MS of age, so that everything is served in the end.
local function order_of(h)
	return h.first == '1' and '0' or h.by - h.p * AGING_MS
end

-- Into the tree.
local function enter(h)
	local c = class_of(h.need)
	h.c, h.inc = c, ''
	save(h, 'ready', '')
	later('ZADD', q .. ':ready:' .. c, h.sid, h.by)
	call('ZADD', q .. ':r:' .. c .. ':' .. h.t .. ':' .. h.u, order_of(h), h.sid)
	show_user(c, h.t, h.u)
end

-- Returns whether more of its user, and of its tenant, are ready.
local function leave(h)
	local c, t, u = h.c, h.t, h.u
	local mine, users = q .. ':r:' .. c .. ':' .. t .. ':' .. u, q .. ':U:' .. c .. ':' .. t
	call('ZREM', mine, h.sid)
	later('ZREM', q .. ':ready:' .. c, h.sid)
	if call('EXISTS', mine) == 1 then return true, true end
	call('ZREM', users, u)
	call('ZREM', q .. ':fu:' .. t .. ':' .. u, c)
	if call('EXISTS', users) == 1 then return false, true end
	call('ZREM', q .. ':T:' .. c, t)
	call('ZREM', q .. ':ft:' .. t, c)
	return false, false
end
