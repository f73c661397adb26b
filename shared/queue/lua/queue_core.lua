-- queue_core: what the scripts of a shard have in common; it stands in front of each of them.
--
-- Keys of shard k are made from KEYS[1] = {q<k>}, so all are in its slot:
--   :delayed :held :leasing :leased :parked :done   zsets, and a tree for what is ready: a session is
--              in exactly one of them; scored by since when (ms), :delayed by when it is due
--   :i         hash sid -> what it was submitted with, a line
--              "tenant|user|project|agent|key|priority|age (ms)|words|words that it likes", and
--              how it is now "set|since (ms)|incarnation|attempt|epoch of its log|class while ready|first
--              0 or 1|lost incarnations "a,b,"|reason"
--   :w:<incarnation>  zset of what it has leasing or leased;  :p:<incarnation> of what is parked, by
--              since when, or 0 when it cannot be asked to leave;
--   :n:<incarnation> of what is parked until another session has ended: it takes no place, or those
--              it waits for could find none;
--   :back:<incarnation>  of what is parked and waits for a slot to go on;
--   :wait:<incarnation>  of what is delayed in the hope of that worker
-- What is ready is a tree for each class, which is all sessions that need the same words:
--   :cn hash words -> class, :ci hash class -> words, :seq hash class: the last number given
--   :ready:<class> zset of its sessions by age
--   :T:<class> zset of tenants by pass;  :U:<class>:<tenant> of users by pass;
--   :r:<class>:<tenant>:<user> zset of sessions, the first to be served first
-- Tenants, and users within one, take turns (stride). A pass in a tree may be behind the true one:
--   :v hash tenant -> "pass|ms of its last turn", '*' -> that of the last turn of all;
--   :v:<tenant> the same of its users;  :weight hash tenant -> weight
-- Limits count leases that live; a name is t:<tenant>, u:<tenant>:<user>, p:<tenant>:<project>,
-- a:<tenant>:<type>, c:<tenant>:<key>:
--   :limit hash name, or "u:*" for all of a kind -> most at a time;  :k:<name> set of its leases
--   :counted 1 once a limit of a kind p or a was set: before that these are not counted;  :recount
--      "<set> <rank>" while the leases from before that are being counted, the newest of a set first
--   :b:<name> zset of sessions that are held until there is room;  :ft:<tenant> :fu:<tenant>:<user>
--   zsets of classes in which a full tenant or user has stepped back;  :waits zset of names for
--   which somebody waits, by when it was looked at
-- What else keeps sessions from starting, by the names that limits have; leases that live go on:
--   :gate hash name -> "<kind>|until (ms)|sid on trial|until that is waited for (ms)|starts that went
--      well|more". Kind breaker, of a:<tenant>:<type>: nothing starts until then, from then on one at a
--      time, on trial; more: for how long it opened (ms). Kind budget, of t: u: p: nothing starts until
--      then (0: until it is gone); more: its id
--   :fails:<name> zset of starts that failed, by when, until a breaker opens
-- What was seen of starts and of leases, for estimates only; what is not in the hash of this half
-- hour may be in that of the one before, and whoever starts again is learned again:
--   :pace:<half hour> hash <words>, <words>|<tenant>, <words>|<tenant>|<user> ->
--      "ms of the last start|1 while more are ready|starts seen|mean ms between them|variance|ms until
--      when starts were so frequent that only those of <words> were written down";
--      d|<words>, d|<words>|<tenant> -> "ms on workers|sessions that ended"
local q = KEYS[1]
local call = redis.call
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local at = string.format('%.0f', now)
local STRIDE, CREDIT, HALF_LIFE_MS, AGING_MS = 1000, 5, 600000, 600000

local I, K = q .. ':i', q .. ':k:'

-- ---- writes that can wait: a command for all of a key is cheaper than one for each ----

local pending, order = {}, {}

local function settle(key)
	local words = pending[key]
	if words then
		pending[key] = nil
		call(unpack(words))
	end
end

-- ZADD with a score, or ZREM. Whoever reads the key settles it first.
local function later(command, key, sid, score)
	local words = pending[key]
	if not words or words[1] ~= command then
		settle(key)
		words = {command, key, nil, nil, nil, nil, nil, nil}
		pending[key], order[#order + 1] = words, key
	end
	local n = #words
	if score then
		words[n + 1], words[n + 2] = score, sid
	else
		words[n + 1] = sid
	end
end

-- ---- sessions ----

-- As they are in this call; what was saved is written at its end, by write_all().
local items, saved = {}, {}

local function know(sid, text)
	if not text then
		items[sid] = false
		return
	end
	local f, t, u, pj, ag, key, p, by, need, likes, set, since, inc, a, e, c, first, lost, why =
		string.match(text, '^(([^|]*)|([^|]*)|([^|]*)|([^|]*)|([^|]*)|([^|]*)|([^|]*)|([^|]*)|([^\n]*))\n' ..
		'([^|]*)|([^|]*)|([^|]*)|([^|]*)|([^|]*)|([^|]*)|([^|]*)|([^|]*)|(.*)$')
	items[sid] = {sid = sid, f = f, t = t, u = u, pj = pj, ag = ag, key = key, p = p, by = by,
		need = need, likes = likes, set = set, at = since, inc = inc, a = a, e = e, c = c,
		first = first, lost = lost, why = why, names = false, keyed = false, unsaved = false}
end

local function know_all(sids)
	if #sids == 0 then return end
	local texts = call('HMGET', I, unpack(sids))
	for i, sid in ipairs(sids) do
		if items[sid] == nil then know(sid, texts[i]) end
	end
end

local function item_of(sid)
	if items[sid] == nil then know(sid, call('HGET', I, sid)) end
	return items[sid] or nil
end

-- After it came into another set.
local function save(h, set, why)
	h.set, h.why, h.at = set, why, at
	if not h.unsaved then
		h.unsaved, saved[#saved + 1] = true, h
	end
end

local function write_all()
	for i = 1, #order do settle(order[i]) end
	order = {}
	if #saved == 0 then return end
	local words = {'HSET', I}
	for i, h in ipairs(saved) do
		h.unsaved = false
		words[2 * i + 1] = h.sid
		words[2 * i + 2] = h.f .. '\n' .. h.set .. '|' .. h.at .. '|' .. h.inc .. '|' .. h.a .. '|' ..
			h.e .. '|' .. h.c .. '|' .. h.first .. '|' .. h.lost .. '|' .. h.why
	end
	saved = {}
	call(unpack(words))
end

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

-- From now on projects and types of agents are counted too; promote counts the leases from before.
local function count_all()
	if counts_all() then return end
	counted = true
	call('SET', q .. ':counted', '1')
	call('SET', q .. ':recount', 'leasing ' .. call('ZCARD', q .. ':leasing') - 1)
end

-- ---- gates ----

local gates, gated = {}, nil -- name -> how many more may start as far as its gate goes

local function parse_gate(text)
	local kind, till, trial, trial_till, well, more = string.match(text,
		'^([^|]*)|([^|]*)|([^|]*)|([^|]*)|([^|]*)|(.*)$')
	return {kind = kind, till = tonumber(till), trial = trial, trial_till = tonumber(trial_till),
		well = tonumber(well), more = more}
end

local function write_gate(name, g)
	call('HSET', q .. ':gate', name, string.format('%s|%.0f|%s|%.0f|%.0f|%s', g.kind, g.till, g.trial,
		g.trial_till, g.well, g.more))
	gates[name], gated = nil, true
end

local function gate_room(g)
	if now < g.till or g.kind ~= 'breaker' and g.till == 0 then return 0 end
	if g.kind ~= 'breaker' then return math.huge end
	return now < g.trial_till and 0 or 1
end

local function gate_of(name)
	if gated == nil then gated = call('EXISTS', q .. ':gate') == 1 end
	if not gated then return math.huge end
	local room = gates[name]
	if not room then
		local text = call('HGET', q .. ':gate', name)
		room = text and gate_room(parse_gate(text)) or math.huge
		gates[name] = room
	end
	return room
end

-- How many more may start; what goes on without a start asks room_of() alone.
local function start_room(name)
	return math.min(room_of(name), gate_of(name))
end

local function may_start(h)
	for _, name in ipairs(limits_of(h)) do
		if gate_of(name) <= 0 then return false end
	end
	return may_lease(h)
end

-- It starts: where a breaker is to be tried it is the one, and is waited for twice as long as the
-- breaker opened, for it may be lost.
local function try_gates(h)
	if not gated then return end
	for _, name in ipairs(limits_of(h)) do
		if gate_of(name) == 1 then
			local g = parse_gate(call('HGET', q .. ':gate', name))
			g.trial, g.trial_till = h.sid, now + 2 * g.more
			write_gate(name, g)
		end
	end
end

-- ---- turns ----

-- The pass with which somebody takes part again: what was used before, more or less than others, weighs
-- half as much after each half-life; and of the turns that were not taken no more than CREDIT are saved.
-- Whole numbers are cheaper, and a turn has STRIDE of them.
local function pass_of(key, who)
	local known = call('HMGET', key, who, '*')
	local all = tonumber(known[2] and string.match(known[2], '^[^|]+') or '0')
	if not known[1] then return all end
	local pass, when = string.match(known[1], '^([^|]+)|(.+)$')
	local ahead = math.max(pass - all, -CREDIT * STRIDE)
	return math.floor(all + ahead * 0.5 ^ (math.max(0, now - when) / HALF_LIFE_MS) + 0.5)
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

-- ---- what was seen ----

local PACES, PACE_MS = 4096, 1800000
local function pace_key(ago)
	return string.format('%s:pace:%.0f', q, math.floor(now / PACE_MS) - ago)
end

-- Returns name -> value, false where nothing is known, and the names that this half hour has not seen.
local remembered, unseen = {}, {}
local function recall(names)
	local ask, old, new = {}, {}, {}
	for _, name in ipairs(names) do
		if remembered[name] == nil then
			remembered[name], ask[#ask + 1] = false, name
		end
	end
	if #ask > 0 then
		local values = call('HMGET', pace_key(0), unpack(ask))
		for i, name in ipairs(ask) do
			remembered[name] = values[i]
			if not values[i] then unseen[name], old[#old + 1] = true, name end
		end
	end
	if #old > 0 then
		local values = call('HMGET', pace_key(1), unpack(old))
		for i, name in ipairs(old) do remembered[name] = values[i] end
	end
	for _, name in ipairs(names) do
		if unseen[name] then new[#new + 1] = name end
	end
	return remembered, new
end

-- change(name, value or false) gives the value from now on. There are PACES names at most.
local function learn(names, change)
	if #names == 0 then return end
	local found, new = recall(names)
	local size, key, words = 0, pace_key(0), {}
	if #new > 0 then size = call('HLEN', key) end
	local begins = #new > 0 and size == 0
	local full = {}
	for _, name in ipairs(new) do
		full[name] = size >= PACES
		size = size + 1
	end
	for _, name in ipairs(names) do
		if not full[name] then
			words[#words + 1], words[#words + 2] = name, change(name, found[name])
		end
	end
	if #words > 0 then call('HSET', key, unpack(words)) end
	if begins then call('PEXPIRE', key, 2 * PACE_MS) end
end

-- ---- limits ----

local waits -- whether anybody waits for room, once that is known
local woken = 0 -- who took part again in this call

local function wait_for(name)
	call('ZADD', q .. ':waits', 'NX', at, name)
	waits = true
end

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

local function anybody_waits()
	if waits == nil then waits = call('EXISTS', q .. ':waits') == 1 end
	return waits
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
