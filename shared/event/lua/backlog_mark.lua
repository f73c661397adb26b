-- backlog_mark: mark the tenants whose appends are refused, and renew the marks.
--
-- KEYS 1 {w}:backlog  set of tenants
-- ARGV 1 time to live (ms)  2 1: who is not named below is marked no more
--      3 number of tenants to mark, then they, then those that stay marked if they are
local set, over = KEYS[1], tonumber(ARGV[3])
if ARGV[2] == '1' then
	local named = {}
	for i = 4, #ARGV do named[ARGV[i]] = true end
	for _, tenant in ipairs(redis.call('SMEMBERS', set)) do
		if not named[tenant] then redis.call('SREM', set, tenant) end
	end
end
for i = 4, 3 + over do redis.call('SADD', set, ARGV[i]) end
return redis.call('PEXPIRE', set, ARGV[1])
