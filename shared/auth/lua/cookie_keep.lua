-- cookie_keep: a cookie more of a key. When there are too many, those that are over go, and if that is
-- not enough the one that ends first.
--
-- KEYS 1 {k:<key>}:cookies
-- ARGV 1 hash  2 grant  3 life (ms)  4 most of them
-- returns 1
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local life, most = tonumber(ARGV[3]), tonumber(ARGV[4])
if redis.call('HLEN', KEYS[1]) >= most then
	local all = redis.call('HGETALL', KEYS[1])
	local left, first, first_until = 0, nil, nil
	for i = 1, #all, 2 do
		local until_ms = tonumber(string.match(all[i + 1], '^(%d+)|')) or 0
		if until_ms <= now then
			redis.call('HDEL', KEYS[1], all[i])
		else
			left = left + 1
			if first == nil or until_ms < first_until then
				first, first_until = all[i], until_ms
			end
		end
	end
	if left >= most then redis.call('HDEL', KEYS[1], first) end
end
redis.call('HSET', KEYS[1], ARGV[1], string.format('%.0f|', now + life) .. ARGV[2])
-- The whole goes when its last one does.
redis.call('PEXPIRE', KEYS[1], string.format('%.0f', math.max(redis.call('PTTL', KEYS[1]), life)))
return 1
