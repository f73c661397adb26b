#!lua flags=allow-oom
-- lease_renew: an incarnation says that it lives, and what it is; only one that says so begins.
-- It may run when Redis is full (allow-oom), as the sweep does: agents live on while nothing can be appended.
--
-- The clock of leases is v + (now - at), but never more than v + 1000: it stands still while nobody
-- sweeps, so that an outage expires nobody.
--   {w}:clock hash v, at (ms)   {w}:leases zset incarnation -> expiry on that clock
--   {w}:lost zset incarnation -> since when (ms), until it is forgotten
--   {w}:late zset incarnation -> when its worker began another (ms): it was lost, and its process lived;
--   the newest 4096
--   {w}:bell channel: room when a worker registers, end when one ends in order
--   {w}:i:<incarnation> hash w worker, name, slots, drain, has, ver, at registered (ms),
--   res sessions that may be on it, holds words, gen generation in which it told all it has,
--   key to which secrets for it are sealed
--
-- KEYS 1 {w}
-- ARGV 1 incarnation  2 time to live (ms)  then of a description
--      3 worker  4 name  5 slots  6 draining 0 | 1  7 words it has  8 version
--      9 sessions that may be on it, parked ones included  10 words of what it has ready to use
--      11 generation in which it told all it has  12 1: begin, when it is not known
--      13 its public key  14 to begin: the incarnation before, of the same process, "" none
-- returns {ok} or {lost}; a lease that is over but was not swept yet is renewed: nobody took over
local w, inc = KEYS[1], ARGV[1]
local item = w .. ':i:' .. inc
local known = redis.call('ZSCORE', w .. ':leases', inc)
local clock = redis.call('HMGET', w .. ':clock', 'v', 'at')
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local served = 0
if clock[1] then
	served = clock[1] + math.max(0, math.min(now - clock[2], 1000))
end
if redis.call('ZSCORE', w .. ':lost', inc) then return {'lost'} end
if not known then
	if ARGV[12] ~= '1' or redis.call('EXISTS', item) == 1 then return {'lost'} end
	redis.call('HSET', item, 'at', string.format('%.0f', now))
	if ARGV[14] and ARGV[14] ~= '' then -- a worker of the version before says nothing
		redis.call('ZADD', w .. ':late', string.format('%.0f', now), ARGV[14])
		if redis.call('ZCARD', w .. ':late') > 4096 then
			redis.call('ZREM', w .. ':late', redis.call('ZRANGE', w .. ':late', 0, 0)[1])
		end
	end
end
if ARGV[3] then
	redis.call('HSET', item, 'w', ARGV[3], 'name', ARGV[4], 'slots', ARGV[5], 'drain', ARGV[6],
		'has', ARGV[7], 'ver', ARGV[8], 'res', ARGV[9], 'holds', ARGV[10], 'gen', ARGV[11], 'key', ARGV[13])
	redis.call('PUBLISH', w .. ':bell', 'room')
end
redis.call('ZADD', w .. ':leases', string.format('%.0f', served + ARGV[2]), inc)
return {'ok'}
