-- cookie_use: what a cookie stands for; its life begins anew.
--
-- KEYS 1 {k:<key>}:cookies
-- ARGV 1 hash  2 life (ms)
-- returns the grant, or nil: unknown or over
local value = redis.call('HGET', KEYS[1], ARGV[1])
if not value then return false end
local until_ms, grant = string.match(value, '^(%d+)|(.*)$')
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local life = tonumber(ARGV[2])
if not until_ms or tonumber(until_ms) <= now then
	redis.call('HDEL', KEYS[1], ARGV[1])
	return false
end
redis.call('HSET', KEYS[1], ARGV[1], string.format('%.0f|', now + life) .. grant)
redis.call('PEXPIRE', KEYS[1], string.format('%.0f', math.max(redis.call('PTTL', KEYS[1]), life)))
return grant
