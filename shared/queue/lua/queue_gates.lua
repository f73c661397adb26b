-- queue_gates: what else keeps sessions from starting.

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
