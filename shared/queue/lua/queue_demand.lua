-- queue_demand: what is ready, by class. Keys: see queue_core.
--
-- KEYS 1 {q<k>}
-- ARGV 1 first class to tell (from 0), 128 at most are told
-- returns {words needed, sessions ready, age of the oldest (ms)} ...
local q, rows = KEYS[1], {}
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local classes = redis.call('HGETALL', q .. ':ci')
for i = 1 + 2 * ARGV[1], math.min(#classes, 2 * ARGV[1] + 256), 2 do
	local tree = q .. ':ready:' .. classes[i]
	local oldest = redis.call('ZRANGE', tree, 0, 0, 'WITHSCORES')
	rows[#rows + 1] = {classes[i + 1], redis.call('ZCARD', tree),
		string.format('%.0f', now - (oldest[2] or now))}
end
return rows
