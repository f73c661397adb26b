-- with queue_core.lua
-- queue_why: what a session waits for, as far as the queue knows. Changes nothing.
--
-- KEYS 1 {q<k>}
-- ARGV 1 sid
-- returns {missing} or {set, reason, needs, ready before it of its user, ready of its user, tenants
--          before its tenant, turns its tenant is behind (stride), living leases of its tenant,
--          name of the limit that is full "", its leases, its most}
local h = item_of(ARGV[1])
if not h then return {'missing'} end
local c, t, u = h.c, h.t, h.u
local mine = q .. ':r:' .. c .. ':' .. t .. ':' .. u
local before = h.set == 'ready' and call('ZRANK', mine, h.sid) or 0
local of_user = h.set == 'ready' and call('ZCARD', mine) or 0
local turn = h.set == 'ready' and call('ZRANK', q .. ':T:' .. c, t) or 0
local ahead = pass_of(q .. ':v', t) - pass_of(q .. ':v', '')
local full, used, most = '', 0, 0
for _, name in ipairs(limits_of(h)) do
	if full == '' and room_of(name) <= 0 and not call('ZSCORE', q .. ':k:' .. name, h.sid) then
		full, used = name, call('ZCARD', q .. ':k:' .. name)
		most = used + room_of(name)
	end
end
return {h.set, h.why, h.need, before or 0, of_user, turn or 0, string.format('%.0f', ahead / STRIDE),
	call('ZCARD', q .. ':k:t:' .. t), full, used, most}
