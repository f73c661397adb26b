-- queue_list: sessions of some sets, oldest first. Keys: see queue_core.
--
-- KEYS 1 {q<k>}
-- ARGV 1 names of zsets without the tag "leasing" or "w:<inc>,p:<inc>,n:<inc>"  2 there for at least (ms)
--      3 most, at most 128
-- returns {sid, what :i has of it} ...
local q, rows = KEYS[1], {}
local time = redis.call('TIME')
local before = string.format('%.0f', time[1] * 1000 + math.floor(time[2] / 1000) - ARGV[2])
for name in string.gmatch(ARGV[1], '[^,]+') do
	local key, left = q .. ':' .. name, ARGV[3] - #rows
	local sids = redis.call('ZRANGEBYSCORE', key, '-inf', before, 'LIMIT', 0, left)
	local texts = #sids > 0 and redis.call('HMGET', q .. ':i', unpack(sids)) or {}
	for i, sid in ipairs(sids) do rows[#rows + 1] = {sid, texts[i]} end
end
return rows
