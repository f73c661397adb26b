-- with queue_core.lua
-- with queue_items.lua
-- with queue_limits.lua
-- with queue_gates.lua
-- with queue_turns.lua
-- with queue_tree.lua
-- with queue_paces.lua
-- queue_why: what a session waits for, as far as the queue knows. Changes nothing.
--
-- KEYS 1 {q<k>}
-- ARGV 1 sid
-- returns {missing} or {set, reason, needs, incarnation, now (ms), there since (ms), when it is due
--          (ms, 0: not known); ready before it of its user, ready of its user, users before its user,
--          users of its tenant, tenants before its tenant, tenants, ready in all: those that need the
--          same; turns its tenant is ahead (stride), its weight, its living leases; name of the limit
--          that is full "", its leases, its most, how many wait for it before this one; pace of its
--          user, of its tenant, of all; durations of its tenant, of all (see queue_core), "" unknown;
--          name of the gate that keeps it from starting "", what :gate has of that}
local h = item_of(ARGV[1])
if not h then return {'missing'} end
local t, u = h.t, h.u
local c = h.c ~= '' and h.c or call('HGET', q .. ':cn', h.need) or ''
local ready = h.set == 'ready'
local mine, users = q .. ':r:' .. c .. ':' .. t .. ':' .. u, q .. ':U:' .. c .. ':' .. t
local tenants = q .. ':T:' .. c
local function rank(key, who) return ready and call('ZRANK', key, who) or 0 end

local due = h.set == 'delayed' and call('ZSCORE', q .. ':delayed', h.sid) or '0'
local ahead = pass_of(q .. ':v', t) - pass_of(q .. ':v', '')
local full, used, most, waiting = '', 0, 0, 0
for _, name in ipairs(limits_of(h)) do
	if full == '' and room_of(name) <= 0 and not counts(name, h.sid) then
		full, used = name, call('SCARD', K .. name)
		most = math.max(0, used + room_of(name))
		waiting = call('ZRANK', q .. ':b:' .. name, h.sid) or 0
	end
end

local lines = {h.need .. '|' .. t .. '|' .. u, h.need .. '|' .. t, h.need, 'd|' .. h.need .. '|' .. t,
	'd|' .. h.need}
local known = recall(lines)
local row = {h.set, h.why, h.need, h.inc, at, h.at, string.format('%.0f', due), rank(mine, h.sid),
	call('ZCARD', mine), rank(users, u), call('ZCARD', users), rank(tenants, t),
	call('ZCARD', tenants), call('ZCARD', q .. ':ready:' .. c),
	string.format('%.0f', math.floor(ahead / STRIDE + 0.5)), call('HGET', q .. ':weight', t) or '1',
	call('SCARD', K .. 't:' .. t), full, used, most, waiting}
for i = 1, #lines do row[#row + 1] = known[lines[i]] or '' end

local gate = ''
for _, name in ipairs(limits_of(h)) do
	if gate == '' and gate_of(name) <= 0 then gate = name end
end
row[#row + 1] = gate
row[#row + 1] = gate ~= '' and call('HGET', q .. ':gate', gate) or ''
return row
