-- with queue_core.lua
-- with queue_items.lua
-- with queue_paces.lua
-- queue_soon: what will be ready or want a slot again, as far as that is known: 128 at most that are
-- delayed, the first to be due first, and of the 128 that are parked longest those with a time.
--
-- KEYS 1 {q<k>}
-- ARGV 1 within that many ms
-- returns sessions that are held for limits (of 128 limits at most), then {words needed, in how many
--         ms, how long such sessions have been on workers "ms|sessions", "" not known} ...
local rows, names, held = {}, {}, 0
for _, name in ipairs(call('ZRANGE', q .. ':waits', 0, 127)) do
	held = held + call('ZCARD', q .. ':b:' .. name)
end

local till = now + ARGV[1]
local function tell(sid, due)
	local h = item_of(sid)
	if not due then due = tonumber(string.match(h.why, '@(%d+)$') or math.huge) end
	if due > till then return end
	rows[#rows + 1] = {h.need, string.format('%.0f', math.max(0, due - now))}
	names[#rows] = 'd|' .. h.need
end

local due = call('ZRANGEBYSCORE', q .. ':delayed', '-inf', string.format('%.0f', till), 'LIMIT', 0, 128)
know_all(due)
for _, sid in ipairs(due) do tell(sid, tonumber(call('ZSCORE', q .. ':delayed', sid))) end
local parked = call('ZRANGE', q .. ':parked', 0, 127)
know_all(parked)
for _, sid in ipairs(parked) do tell(sid) end
if #rows > 0 then
	local known = recall(names)
	for i, row in ipairs(rows) do row[3] = known[names[i]] or '' end
end
return {held, unpack(rows)}
