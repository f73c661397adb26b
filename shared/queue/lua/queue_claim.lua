-- with queue_core.lua
-- queue_claim: what a worker is to run next. First what is parked on it and may go on (parked ->
-- leased, the same attempt), then what waited for it, then what is ready and fits: by turns of
-- tenants, then of users, then priority and age; ready -> leasing, with a new attempt. Takes at
-- most 128 steps; what is not reached is reached by the next call.
--
-- KEYS 1 {q<k>}
-- ARGV 1 incarnation  2 words it has ",a,b,"  3 its slots  4 sessions that may reside on it, parked
--      ones included  5 most items
-- returns {sid, tenant, priority, attempt, age (ms), now (ms), epoch its log must be in, user,
--          new | back | evict, and when it likes something: words it needs, words it likes} ...
--      evict: this parked session is in the way of one that is ready
local inc, has = ARGV[1], ARGV[2]
local mine, parked = q .. ':w:' .. inc, q .. ':p:' .. inc
local working, residing = call('ZCARD', mine), 0
residing = working + call('ZCARD', parked)
local most, steps, rows = tonumber(ARGV[5]), 0, {}

local function row(h, what)
	local row = {h.sid, h.t, h.p, h.a, h.by, at, h.e, h.u, what}
	if h.likes ~= '' then row[10], row[11] = h.need, h.likes end
	rows[#rows + 1] = row
end

local function lease(h, from)
	h.a, h.inc, h.first = string.format('%.0f', h.a + 1), inc, '0'
	if from == 'delayed' then call('ZREM', q .. ':delayed', h.sid) end
	call('ZADD', q .. ':leasing', at, h.sid)
	call('ZADD', mine, at, h.sid)
	save(h, 'leasing', '')
	count_in(h)
	working, residing = working + 1, residing + 1
	row(h, 'new')
end

-- ---- what belongs to this worker ----

for _, sid in ipairs(call('ZRANGE', q .. ':back:' .. inc, 0, 127)) do
	if working >= tonumber(ARGV[3]) or #rows >= most then break end
	local h = item_of(sid)
	if may_lease(h) then
		call('ZREM', q .. ':back:' .. inc, sid)
		call('ZREM', parked, sid)
		call('ZREM', q .. ':n:' .. inc, sid)
		call('ZREM', q .. ':parked', sid)
		call('ZADD', q .. ':leased', at, sid)
		call('ZADD', mine, at, sid)
		save(h, 'leased', '')
		count_in(h)
		working = working + 1
		row(h, 'back')
	end
end

local function may_take()
	return #rows < most and working < tonumber(ARGV[3]) and residing < tonumber(ARGV[4])
end

for _, sid in ipairs(call('ZRANGE', q .. ':wait:' .. inc, 0, 127)) do
	if not may_take() then break end
	local h = item_of(sid)
	if not h or h.set ~= 'delayed' then
		call('ZREM', q .. ':wait:' .. inc, sid)
	elseif may_lease(h) then
		call('ZREM', q .. ':wait:' .. inc, sid)
		lease(h, 'delayed')
	end
end

-- ---- what is ready ----

local passes, last, weights = {}, {}, {} -- by key and who: known in this call
local function true_pass(key, who)
	local mine = passes[key]
	if not mine then
		mine = {}
		passes[key] = mine
		local all = call('HGET', key, '*')
		last[key] = tonumber(all and string.match(all, '^[^|]+') or '0')
	end
	if not mine[who] then
		local known = call('HGET', key, who)
		mine[who] = tonumber(known and string.match(known, '^[^|]+') or '0')
	end
	return mine[who]
end

-- The first of a tree's level whose turn it is; those that are full step back.
local function first_of(tree, key, limit, full, c)
	while steps < 128 do
		steps = steps + 1
		local entry = call('ZRANGE', tree, 0, 0, 'WITHSCORES')
		local who = entry[1]
		if not who then return nil end
		local pass = true_pass(key, who)
		if pass > tonumber(entry[2]) + 0.001 then
			call('ZADD', tree, string.format('%.3f', pass), who)
		elseif room_of(limit .. who) <= 0 then
			call('ZREM', tree, who)
			call('ZADD', full .. who, '0', c)
			wait_for(limit .. who)
		else
			return who, tonumber(entry[2])
		end
	end
end

local function charge(tree, key, who, pass)
	local stride = STRIDE
	if key == q .. ':v' then
		weights[who] = weights[who] or call('HGET', q .. ':weight', who) or '1'
		stride = STRIDE / weights[who]
	end
	local next = math.max(pass, last[key] - CREDIT * stride) + stride
	passes[key][who] = next
	last[key] = math.max(last[key], pass)
	call('HSET', key, who, string.format('%.3f|%s', next, at), '*',
		string.format('%.3f|%s', last[key], at))
	call('ZADD', tree, 'XX', string.format('%.3f', next), who)
end

-- How often sessions start: of those who need the same, of a tenant, of a user; of the latter two
-- only while it is so seldom that somebody may ask.
local SELDOM_MS = 20
local lines, seen, often = {}, {}, {}
local function parse_pace(value)
	local last, went_on, n, mean, var, till = string.match(value or '0|0|0|0|0|0',
		'^([^|]+)|([^|]+)|([^|]+)|([^|]+)|([^|]+)|([^|]+)$')
	return tonumber(last), went_on == '1', tonumber(n), tonumber(mean), tonumber(var), tonumber(till)
end

local function note(name, need, more)
	local line = lines[name]
	if not line then
		line = {starts = 0, need = need}
		lines[name], seen[#seen + 1] = line, name
	end
	line.starts, line.more = line.starts + 1, more
end

local function note_start(h, more_of_user, more_of_tenant)
	local need = h.need
	if not often[need] then
		local _, _, n, mean, _, till = parse_pace(recall({need})[need])
		local is = n == 32 and mean < SELDOM_MS
		often[need] = {c = h.c, is = is, till = is and now or till}
	end
	note(need, need)
	if often[need].is then return end
	note(need .. '|' .. h.t, need, more_of_tenant)
	note(need .. '|' .. h.t .. '|' .. h.u, need, more_of_user)
end

-- Only time in which more were ready counts, and in which starts were written down.
local function pace_after(name, value)
	local line = lines[name]
	local last, went_on, n, mean, var = parse_pace(value)
	local all, more = often[line.need], line.more
	if name == line.need then
		more = call('EXISTS', q .. ':T:' .. all.c) == 1
	elseif last <= all.till then
		went_on = false
	end
	for i = went_on and 1 or 2, line.starts do
		local gap = i == 1 and math.max(0, math.min(now - last, 2 * PACE_MS)) or 0
		n = math.min(n + 1, 32)
		local off = gap - mean
		mean, var = mean + off / n, (1 - 1 / n) * (var + off * off / n)
	end
	return string.format('%s|%d|%d|%.3f|%.3f|%.0f', at, more and 1 or 0, n, mean, var, all.till)
end

-- One session of the tenant whose turn it is in class c, or a step towards one. False: the tenant
-- has nothing to offer there, and is out of the tree.
local function serve(c, t, tpass)
	local users = q .. ':U:' .. c .. ':' .. t
	local u, upass = first_of(users, q .. ':v:' .. t, 'u:' .. t .. ':', q .. ':fu:' .. t .. ':', c)
	if not u then
		if steps < 128 then call('ZREM', q .. ':T:' .. c, t) end
		return
	end
	local sid = call('ZRANGE', q .. ':r:' .. c .. ':' .. t .. ':' .. u, 0, 0)[1]
	local h = item_of(sid)
	local names = limits_of(h)
	for i = 3, #names do
		if room_of(names[i]) <= 0 and not call('ZSCORE', q .. ':k:' .. names[i], sid) then
			block(h, names[i])
			for j = 3, #names do
				if j ~= i then wake(names[j]) end
			end
			return
		end
	end
	note_start(h, leave(h))
	lease(h, 'ready')
	charge(q .. ':T:' .. c, q .. ':v', t, tpass)
	charge(users, q .. ':v:' .. t, u, upass)
end

local function fits(need)
	for word in string.gmatch(need, '[^,]+') do
		if not string.find(has, ',' .. word .. ',', 1, true) then return false end
	end
	return true
end

local heads = {} -- class -> {tenant, pass}
local function look(c)
	local t, pass = first_of(q .. ':T:' .. c, q .. ':v', 't:', q .. ':ft:', c)
	heads[c] = t and {t, pass} or nil
end

if working < tonumber(ARGV[3]) and #rows < most then
	local classes = call('HGETALL', q .. ':ci')
	for i = 1, #classes, 2 do
		if fits(classes[i + 1]) then look(classes[i]) end
	end
end
while steps < 128 and may_take() do
	local best
	for c, head in pairs(heads) do
		if not best or head[2] < heads[best][2] or (head[2] == heads[best][2] and c < best) then
			best = c
		end
	end
	if not best then break end
	local t, pass = heads[best][1], heads[best][2]
	if true_pass(q .. ':v', t) <= pass + 0.001 and room_of('t:' .. t) > 0 then
		serve(best, t, pass)
	end
	look(best)
end

learn(seen, pace_after)

if next(heads) and working < tonumber(ARGV[3]) and #rows < most then
	for _, sid in ipairs(call('ZRANGEBYSCORE', parked, '1', at, 'LIMIT', 0, 128)) do
		if not call('ZSCORE', q .. ':back:' .. inc, sid) then
			local h = item_of(sid)
			row(h, 'evict')
			break
		end
	end
end
return rows
