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
--          new | back | evict, how long it was where it was (ms), and when it likes something:
--          words it needs, words it likes} ...
--      evict: this parked session is in the way of one that is ready
-- with queue_items.lua
-- with queue_limits.lua
-- with queue_gates.lua
-- with queue_paces.lua
local inc, has = ARGV[1], ARGV[2]
local slots, places, most = tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
local mine, parked = q .. ':w:' .. inc, q .. ':p:' .. inc
local returning, hoping = q .. ':back:' .. inc, q .. ':wait:' .. inc
local working, residing = call('ZCARD', mine), 0
residing = working + call('ZCARD', parked)
local steps, rows = 0, {}

-- Mostly there is nothing of all this, and one question says so.
local usual = call('EXISTS', q .. ':counted', q .. ':gate', q .. ':waits', q .. ':weight', returning, hoping) == 0
if usual then counted, gated, waits = false, false, false end

local function row(h, what, since)
	local waited = math.max(0, now - since) .. ''
	local row = {h.sid, h.t, h.p, h.a, h.by, at, h.e, h.u, what, waited}
	if h.likes ~= '' then row[11], row[12] = h.need, h.likes end
	rows[#rows + 1] = row
end

local function lease(h, from)
	local since = h.at
	h.a, h.inc, h.first = h.a + 1 .. '', inc, '0'
	if from == 'delayed' then later('ZREM', q .. ':delayed', h.sid) end
	later('ZADD', q .. ':leasing', h.sid, at)
	later('ZADD', mine, h.sid, at)
	save(h, 'leasing', '')
	count_in(h)
	try_gates(h)
	working, residing = working + 1, residing + 1
	row(h, 'new', since)
end

-- ---- what belongs to this worker ----

local back = usual and {} or call('ZRANGE', returning, 0, 127)
know_all(back)
for _, sid in ipairs(back) do
	if working >= slots or #rows >= most then break end
	local h = item_of(sid)
	if may_lease(h) then
		local since = h.at
		call('ZREM', returning, sid)
		call('ZREM', parked, sid)
		call('ZREM', q .. ':n:' .. inc, sid)
		later('ZREM', q .. ':parked', sid)
		later('ZADD', q .. ':leased', sid, at)
		later('ZADD', mine, sid, at)
		save(h, 'leased', '')
		count_in(h)
		working = working + 1
		row(h, 'back', since)
	end
end

local function may_take()
	return #rows < most and working < slots and residing < places
end

local waiting = usual and {} or call('ZRANGE', hoping, 0, 127)
know_all(waiting)
for _, sid in ipairs(waiting) do
	if not may_take() then break end
	local h = item_of(sid)
	if not h or h.set ~= 'delayed' then
		call('ZREM', hoping, sid)
	elseif may_start(h) then
		call('ZREM', hoping, sid)
		lease(h, 'delayed')
	end
end

-- ---- what is ready ----

-- Passes as they are in this call, by key; what changed is written at its end.
local V, passes = q .. ':v', {}
local function passes_of(key)
	local all = passes[key]
	if not all then
		all = {of = {}, changed = {}, last = false, text = '0'}
		passes[key] = all
	end
	return all
end

local function pass_in(text)
	return text and tonumber(string.match(text, '^[^|]+')) or 0
end

local weights, weighted = {}, not usual and call('EXISTS', q .. ':weight') == 1
local function learn_passes(key, whos)
	local all, ask = passes_of(key), {}
	for _, who in ipairs(whos) do
		if not all.of[who] then ask[#ask + 1] = who end
	end
	if #ask == 0 then return all end
	if key == V and weighted then
		local known = call('HMGET', q .. ':weight', unpack(ask))
		for i, who in ipairs(ask) do weights[who] = known[i] and tonumber(known[i]) end
	end
	ask[#ask + 1] = '*'
	local known = call('HMGET', key, unpack(ask))
	for i = 1, #ask - 1 do all.of[ask[i]] = pass_in(known[i]) end
	if not all.last then
		all.text = known[#ask] and string.match(known[#ask], '^[^|]+') or '0'
		all.last = tonumber(all.text)
	end
	return all
end

local function true_pass(key, who)
	local all = passes[key]
	return all and all.of[who] or learn_passes(key, {who}).of[who]
end

local function write_passes()
	for key, all in pairs(passes) do
		if next(all.changed) then
			local words, n = {'HSET', key, '*', (all.text or all.last) .. '|' .. at .. (key == V and WIDE or '')}, 4
			for who, pass in pairs(all.changed) do
				words[n + 1], words[n + 2] = who, pass .. '|' .. at
				n = n + 2
			end
			call(unpack(words))
		end
	end
end

-- The tenants of a class are read from the first as far as they may be needed. Who is there, in
-- order, is kept up to date here, and written when more is read, or at the end.
local levels = {}
local function write_level(level)
	if next(level.gone) then
		local words = {'ZREM', level.tree}
		for who in pairs(level.gone) do words[#words + 1] = who end
		call(unpack(words))
		level.gone = {}
	end
	if next(level.moved) then
		local words, n = {'ZADD', level.tree}, 2
		for who, pass in pairs(level.moved) do
			words[n + 1], words[n + 2] = pass, who
			n = n + 2
		end
		call(unpack(words))
		level.moved = {}
	end
end

local function read_level(level)
	write_level(level)
	local got, whos, scores = call('ZRANGE', level.tree, 0, level.wide - 1, 'WITHSCORES'), {}, {}
	local n = #got / 2
	for i = 1, n do whos[i], scores[i] = got[2 * i - 1], tonumber(got[2 * i]) end
	level.i, level.n, level.who, level.pass, level.all = 1, n, whos, scores, n < level.wide
	learn_passes(V, whos)
end

local function level_of(c)
	local level = levels[c]
	if not level then
		level = {tree = q .. ':T:' .. c, wide = most - #rows + 1, gone = {}, moved = {}, i = 0, n = 0,
			who = false, pass = false, all = false}
		levels[c] = level
		read_level(level)
	elseif level.i > level.n and not level.all then
		read_level(level)
	end
	return level
end

local function drop_top(level)
	local who = level.who[level.i]
	level.gone[who], level.moved[who] = true, nil
	level.i = level.i + 1
end

-- text: the pass as it is written.
local function move_top(level, pass, text)
	local whos, scores, i, n = level.who, level.pass, level.i, level.n
	local who = whos[i]
	level.moved[who] = text
	if pass > scores[n] and not level.all then -- somewhere behind what was read
		level.i = i + 1
		return
	end
	while i < n and (scores[i + 1] < pass or (scores[i + 1] == pass and whos[i + 1] < who)) do
		whos[i], scores[i] = whos[i + 1], scores[i + 1]
		i = i + 1
	end
	whos[i], scores[i] = who, pass
end

-- Others change trees too: what is known of them is written, and read again.
local function forget_levels()
	for _, level in pairs(levels) do write_level(level) end
	levels = {}
end

local function is_behind(pass, true_one)
	return true_one ~= pass and true_one > pass + 0.001 + pass * 1e-13
end

-- The tenant of a class whose turn it is; those that are full step back.
local function first_tenant(c)
	while steps < 128 do
		steps = steps + 1
		local level = level_of(c)
		local t = level.who[level.i]
		if not t then return nil end
		local pass, true_one = level.pass[level.i], true_pass(V, t)
		if is_behind(pass, true_one) then
			move_top(level, true_one, true_one)
		elseif start_room('t:' .. t) <= 0 then
			drop_top(level)
			call('ZADD', q .. ':ft:' .. t, '0', c)
			wait_for('t:' .. t)
		else
			return t, pass
		end
	end
end

-- The same of a tenant's users.
local function first_user(users, c, t)
	local key = q .. ':v:' .. t
	while steps < 128 do
		steps = steps + 1
		local first = call('ZRANGE', users, 0, 0, 'WITHSCORES')
		local u = first[1]
		if not u then return nil end
		local pass, true_one, limit = tonumber(first[2]), true_pass(key, u), 'u:' .. t .. ':' .. u
		if is_behind(pass, true_one) then
			call('ZADD', users, true_one, u)
		elseif start_room(limit) <= 0 then
			call('ZREM', users, u)
			call('ZADD', q .. ':fu:' .. t .. ':' .. u, '0', c)
			wait_for(limit)
		else
			return u, pass, key
		end
	end
end

-- Returns the new pass, and how it is written.
local function charge(key, who, pass)
	local all, stride = passes[key], STRIDE
	local last, weight = all.last, key == V and weights[who]
	if weight then stride = STRIDE / weight end
	local next = math.max(pass, last - CREDIT * stride) + stride
	local text = next .. ''
	all.of[who], all.changed[who] = next, text
	if pass > last then all.last, all.text = pass, false end
	return next, text
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

-- A session of these was taken. Returns whether more of the user, and of the tenant, are ready.
local function leave_tree(h, c, users, more, utext, tpass, ttext)
	local t, u, level = h.t, h.u, levels[c]
	later('ZREM', q .. ':ready:' .. c, h.sid)
	if more then
		call('ZADD', users, utext, u)
	else
		call('ZREM', users, u)
		if anybody_waits() then call('ZREM', q .. ':fu:' .. t .. ':' .. u, c) end
	end
	if more or call('EXISTS', users) == 1 then
		move_top(level, tpass, ttext)
		return more, true
	end
	drop_top(level)
	if anybody_waits() then call('ZREM', q .. ':ft:' .. t, c) end
	return false, false
end

-- A session waits for a limit of its own: others of its limits may have room for somebody else.
local step_aside
local function make_step_aside()
-- with queue_turns.lua
-- with queue_tree.lua
-- with queue_waits.lua
	return function(h, names, full)
		block(h, full)
		for i = 3, #names do
			if names[i] ~= full then wake(names[i]) end
		end
	end
end

-- One session of the tenant whose turn it is in class c, or a step towards one. A tenant that has
-- nothing to offer there leaves the tree.
local function serve(c, t, tpass)
	local users = q .. ':U:' .. c .. ':' .. t
	local u, upass, key = first_user(users, c, t)
	if not u then
		if steps < 128 then drop_top(level_of(c)) end
		return
	end
	local list = q .. ':r:' .. c .. ':' .. t .. ':' .. u
	local sids = call('ZRANGE', list, 0, 1)
	local sid = sids[1]
	local h = item_of(sid)
	local names = limits_of(h)
	for i = 3, #names do
		local name = names[i]
		if gate_of(name) <= 0 or room_of(name) <= 0 and not counts(name, sid) then
			forget_levels()
			steps = steps + 2
			step_aside = step_aside or make_step_aside()
			step_aside(h, names, name)
			return
		end
	end
	call('ZREM', list, sid)
	local _, utext = charge(key, u, upass)
	note_start(h, leave_tree(h, c, users, sids[2] ~= nil, utext, charge(V, t, tpass)))
	lease(h, 'ready')
end

local heads = {} -- class -> {tenant, pass}
local function look(c)
	local t, pass = first_tenant(c)
	heads[c] = t and {t, pass} or nil
end

if working < slots and #rows < most then
	local classes = call('HGETALL', q .. ':ci')
	for i = 1, #classes, 2 do
		if fits(classes[i + 1], has) then look(classes[i]) end
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
	local t, pass, level = heads[best][1], heads[best][2], level_of(best)
	if level.who[level.i] == t and not is_behind(pass, true_pass(V, t)) and start_room('t:' .. t) > 0 then
		serve(best, t, pass)
	end
	look(best)
end

forget_levels()
write_passes()
write_all()
learn(seen, pace_after)

if next(heads) and working < slots and #rows < most then
	for _, sid in ipairs(call('ZRANGEBYSCORE', parked, '1', at, 'LIMIT', 0, 128)) do
		if not call('ZSCORE', returning, sid) then
			local h = item_of(sid)
			row(h, 'evict', h.at)
			break
		end
	end
end
return rows
