#!lua flags=allow-oom
-- lease_sweep: advance the clock of leases, expire at most 128, and name who is lost. A gap of more
-- than a second since the last sweep does not count. Keys: see lease_renew.
-- It may run when Redis is full, as lease_renew.
--
-- KEYS 1 {w}
-- ARGV 1 most to name, at most 128
-- returns {incarnation, worker, lost since (ms)} ...
local w = KEYS[1]
local clock = redis.call('HMGET', w .. ':clock', 'v', 'at')
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local gap, served = now - (clock[2] or now), tonumber(clock[1] or '0')
if gap > 0 and gap <= 1000 then served = served + gap end
local at = string.format('%.0f', now)
redis.call('HSET', w .. ':clock', 'v', string.format('%.0f', served), 'at', at)

local due = redis.call('ZRANGEBYSCORE', w .. ':leases', '-inf', string.format('%.0f', served),
	'LIMIT', 0, 128)
for _, inc in ipairs(due) do
	redis.call('ZREM', w .. ':leases', inc)
	redis.call('ZADD', w .. ':lost', at, inc)
end
local rows = {}
local lost = redis.call('ZRANGE', w .. ':lost', 0, ARGV[1] - 1, 'WITHSCORES')
for i = 1, #lost, 2 do
	rows[#rows + 1] = {lost[i], redis.call('HGET', w .. ':i:' .. lost[i], 'w'), lost[i + 1]}
end
return rows
