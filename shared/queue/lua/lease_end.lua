#!lua flags=allow-oom
-- lease_end: an incarnation ends in order (it is lost at once), or a lost one is forgotten.
-- Keys: see lease_renew.
-- It may run when Redis is full: what ended makes room.
--
-- KEYS 1 {w}
-- ARGV 1 incarnation  2 end | forget
-- returns {ok}
local w, inc = KEYS[1], ARGV[1]
if ARGV[2] == 'forget' then
	if redis.call('ZREM', w .. ':lost', inc) == 1 then redis.call('DEL', w .. ':i:' .. inc) end
	return {'ok'}
end
if redis.call('ZREM', w .. ':leases', inc) == 1 then
	local time = redis.call('TIME')
	redis.call('ZADD', w .. ':lost',
		string.format('%.0f', time[1] * 1000 + math.floor(time[2] / 1000)), inc)
	redis.call('PUBLISH', w .. ':bell', 'end')
end
return {'ok'}
