-- with queue_core.lua
-- with queue_items.lua
-- with queue_limits.lua
-- with queue_gates.lua
-- with queue_turns.lua
-- with queue_tree.lua
-- with queue_waits.lua
-- queue_gate: what keeps sessions from starting, though limits would let them.
--
-- KEYS 1 {q<k>}
-- ARGV 1 bell channel  2 verb  3 name of a limit, then
--      fail: a start failed. 4 names it, so that it counts once  5 so many  6 within (ms) open the
--            breaker  7 for so long (ms)
--      pass: a start went well. 4 its sid  5 so many of those on trial close the breaker
--      shut: 4 kind  5 until (ms, 0: until it is opened)  6 id
--      open: whatever shuts it is gone, and what failed before is forgotten. 4 kind, "" any
-- returns {1 something changed | 0, what :gate has of it now, ""}
local bell, verb, name = ARGV[1], ARGV[2], ARGV[3]
local fails = q .. ':fails:' .. name
local text = call('HGET', q .. ':gate', name)
local g = text and parse_gate(text)
local changed, opened = 0, false

-- Tried again later, if it is tried already.
local function fail(token, most, window, open_ms)
	if g then
		if now < g.till then return end
	else
		call('ZADD', fails, 'NX', at, token)
		call('PEXPIRE', fails, window)
		local old = call('ZRANGEBYSCORE', fails, '-inf', string.format('%.0f', now - window))
		if #old > 0 then call('ZREM', fails, unpack(old)) end
		if call('ZCARD', fails) < tonumber(most) then return end
		call('DEL', fails)
		count_all()
	end
	changed = 1
	write_gate(name, {kind = 'breaker', till = now + open_ms, trial = '', trial_till = 0, well = 0,
		more = string.format('%.0f', open_ms)})
end

local function pass(sid, enough)
	if not g or g.trial ~= sid or now < g.till then return end
	changed, opened = 1, true
	g.well, g.trial, g.trial_till = g.well + 1, '', 0
	if g.well < tonumber(enough) then
		write_gate(name, g)
	else
		call('HDEL', q .. ':gate', name)
	end
end

local function shut(kind, till, id)
	local new = {kind = kind, till = tonumber(till), trial = '', trial_till = 0, well = 0, more = id}
	if g and g.till == new.till and g.more == id and g.kind == kind then return end
	changed, opened = 1, g ~= nil
	write_gate(name, new)
	if string.sub(name, 1, 1) == 'p' then count_all() end
end

local function open(kind)
	changed = call('DEL', fails)
	if g and (kind == '' or kind == g.kind) then
		call('HDEL', q .. ':gate', name)
		changed, opened = 1, true
	end
end

if verb == 'fail' then
	fail(ARGV[4], ARGV[5], tonumber(ARGV[6]), tonumber(ARGV[7]))
elseif verb == 'pass' then
	pass(ARGV[4], ARGV[5])
elseif verb == 'shut' then
	shut(ARGV[4], ARGV[5], ARGV[6])
else
	open(ARGV[4])
end
if opened then
	for _ = 1, math.min(start_room(name), 32) do wake(name) end
	write_all()
	if woken > 0 then ring(bell, 0) end
end
return {changed, call('HGET', q .. ':gate', name) or ''}
