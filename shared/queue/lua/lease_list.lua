-- lease_list: the living incarnations. Keys: see lease_renew.
--
-- KEYS 1 {w}
-- ARGV 1 first (from 0)  2 last, at most 128 more
-- draining: 1 it says that it is, 2 its name is in hash {w}:cordon (name -> cordon | drain), 3 both
-- returns {incarnation, worker, name, slots, draining, words, version, registered (ms),
--          resident sessions, words it holds, generation in which it told all it has,
--          public key} ...
local w, rows = KEYS[1], {}
for _, inc in ipairs(redis.call('ZRANGE', w .. ':leases', ARGV[1], ARGV[2])) do
	local h = redis.call('HMGET', w .. ':i:' .. inc, 'w', 'name', 'slots', 'drain', 'has', 'ver', 'at',
		'res', 'holds', 'gen', 'key')
	rows[#rows + 1] = {inc, h[1], h[2], h[3], h[4], h[5], h[6], h[7],
		h[8] or h[3], h[9] or '', h[10] or '0', h[11] or ''}
	if redis.call('HGET', w .. ':cordon', h[2]) then rows[#rows][5] = h[4] == '1' and '3' or '2' end
end
return rows
