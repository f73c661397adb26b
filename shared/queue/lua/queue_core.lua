-- queue_core: what the scripts of a shard have in common; it stands in front of each of them.
--
-- Keys of shard k are made from KEYS[1] = {q<k>}, so all are in its slot:
--   :delayed :held :leasing :leased :parked :done   zsets, and a tree for what is ready: a session is
--              in exactly one of them; scored by since when (ms), :delayed by when it is due
--   :i:<sid>   hash of a session: f what it was submitted with
--              "tenant|user|project|agent|key|priority|age (ms)|words"; s how it is now
--              "set|since (ms)|incarnation|attempt|epoch of its log|class while ready|first 0 or
--              1|reason"; when there are any: lost incarnations "a,b,"; l words that it likes
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
--   :limit hash name, or "u:*" for all of a kind -> most at a time;  :k:<name> zset of its leases
--   :b:<name> zset of sessions that are held until there is room;  :ft:<tenant> :fu:<tenant>:<user>
--   zsets of classes in which a full tenant or user has stepped back;  :waits zset of names for
--   which somebody waits, by when it was looked at
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

local function item_of(sid)
	local v = call('HMGET', q .. ':i:' .. sid, 'f', 's', 'lost', 'l')
	if not v[1] then return nil end
	local h = {sid = sid, lost = v[3] or '', likes = v[4] or ''}
	h.t, h.u, h.pj, h.ag, h.key, h.p, h.by, h.need = string.match(v[1],
		'^([^|]*)|([^|]*)|([^|]*)|([^|]*)|([^|]*)|([^|]*)|([^|]*)|(.*)$')
	h.set, h.at, h.inc, h.a, h.e, h.c, h.first, h.why = string.match(v[2],
		'^([^|]*)|([^|]*)|([^|]*)|([^|]*)|([^|]*)|([^|]*)|([^|]*)|(.*)$')
	return h
end

-- After it came into another set.
local function save(h, set, why)
	h.set, h.why = set, why
	call('HSET', q .. ':i:' .. h.sid, 's', table.concat({set, at, h.inc, h.a, h.e, h.c, h.first, why},
		'|'))
end

local function limits_of(h)
	local names = {'t:' .. h.t, 'u:' .. h.t .. ':' .. h.u}
	if h.pj ~= '' then names[#names + 1] = 'p:' .. h.t .. ':' .. h.pj end
	if h.ag ~= '' then names[#names + 1] = 'a:' .. h.t .. ':' .. h.ag end
	if h.key ~= '' then names[#names + 1] = 'c:' .. h.t .. ':' .. h.key end
	return names
end

-- How many more leases may count; read once in a call, so count_in() and count_out() keep it true. A
-- key of concurrency for which nothing else is said admits one session.
local rooms, kinds, exact = {}, nil, false
local function room_of(name)
	if rooms[name] then return rooms[name] end
	if not kinds then
		local all = call('HMGET', q .. ':limit', 't:*', 'u:*', 'p:*', 'a:*', 'c:*')
		local known = 0
		for i = 1, 5 do known = known + (all[i] and 1 or 0) end
		kinds = {t = all[1], u = all[2], p = all[3], a = all[4], c = all[5] or '1'}
		exact = call('HLEN', q .. ':limit') > known
	end
	local limit = exact and call('HGET', q .. ':limit', name) or kinds[string.sub(name, 1, 1)]
	rooms[name] = limit and limit - call('ZCARD', q .. ':k:' .. name) or math.huge
	return rooms[name]
end

-- Whether a lease of this session would be within all its limits. The key it kept is its own.
local function may_lease(h)
	for _, name in ipairs(limits_of(h)) do
		if room_of(name) <= 0 and not call('ZSCORE', q .. ':k:' .. name, h.sid) then return false end
	end
	return true
end

-- ---- turns ----

-- The pass with which somebody takes part again: what was used before, more or less than others, weighs
-- half as much after each half-life; and of the turns that were not taken no more than CREDIT are saved.
local function pass_of(key, who)
	local known = call('HMGET', key, who, '*')
	local all = tonumber(known[2] and string.match(known[2], '^[^|]+') or '0')
	if not known[1] then return all end
	local pass, when = string.match(known[1], '^([^|]+)|(.+)$')
	local ahead = math.max(pass - all, -CREDIT * STRIDE)
	return all + ahead * 0.5 ^ (math.max(0, now - when) / HALF_LIFE_MS)
end

local function set_pass(key, who, pass)
	call('HSET', key, who, string.format('%.3f|%s', pass, at))
end

local function show_tenant(c, t)
	if call('EXISTS', q .. ':ft:' .. t) == 1 then
		call('ZADD', q .. ':ft:' .. t, '0', c)
	else
		call('ZADD', q .. ':T:' .. c, 'NX', string.format('%.3f', pass_of(q .. ':v', t)), t)
	end
end

local function show_user(c, t, u)
	local full = q .. ':fu:' .. t .. ':' .. u
	if call('EXISTS', full) == 1 then
		call('ZADD', full, '0', c)
	else
		local pass = string.format('%.3f', pass_of(q .. ':v:' .. t, u))
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
	return h.first == '1' and '0' or string.format('%.0f', h.by - h.p * AGING_MS)
end

-- Into the tree.
local function enter(h)
	local c = class_of(h.need)
	h.c, h.inc = c, ''
	save(h, 'ready', '')
	call('ZADD', q .. ':ready:' .. c, h.by, h.sid)
	call('ZADD', q .. ':r:' .. c .. ':' .. h.t .. ':' .. h.u, order_of(h), h.sid)
	show_user(c, h.t, h.u)
end

-- Returns whether more of its user, and of its tenant, are ready.
local function leave(h)
	local c, t, u = h.c, h.t, h.u
	local mine, users = q .. ':r:' .. c .. ':' .. t .. ':' .. u, q .. ':U:' .. c .. ':' .. t
	call('ZREM', mine, h.sid)
	call('ZREM', q .. ':ready:' .. c, h.sid)
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
local function recall(names)
	local found, values, new = {}, call('HMGET', pace_key(0), unpack(names)), {}
	for i, name in ipairs(names) do
		found[name] = values[i]
		if not values[i] then new[#new + 1] = name end
	end
	if #new > 0 then
		values = call('HMGET', pace_key(1), unpack(new))
		for i, name in ipairs(new) do found[name] = values[i] end
	end
	return found, new
end

-- change(name, value or false) gives the value from now on. There are PACES names at most.
local function learn(names, change)
	if #names == 0 then return end
	local found, new = recall(names)
	local size, key, words = 0, pace_key(0), {}
	if #new > 0 then size = call('HLEN', key) end
	local begins = #new > 0 and size == 0
	for _, name in ipairs(new) do
		if size >= PACES then found[name] = nil end
		size = size + 1
	end
	for _, name in ipairs(names) do
		if found[name] ~= nil then
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
	call('ZADD', q .. ':held', at, h.sid)
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
	if waits == nil then waits = call('EXISTS', q .. ':waits') == 1 end
	if not waits or room_of(name) <= 0 or not call('ZSCORE', q .. ':waits', name) then return 0 end
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
	call('ZREM', q .. ':held', first)
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
	for _, name in ipairs(limits_of(h)) do
		if call('ZADD', q .. ':k:' .. name, at, h.sid) == 1 and rooms[name] then
			rooms[name] = rooms[name] - 1
		end
	end
end

-- A parked session keeps its key of concurrency only.
local function count_out(h, parks)
	for _, name in ipairs(limits_of(h)) do
		if not parks or string.sub(name, 1, 1) ~= 'c' then
			if call('ZREM', q .. ':k:' .. name, h.sid) == 1 and rooms[name] then
				rooms[name] = rooms[name] + 1
			end
			wake(name)
		end
	end
end
