-- queue_claim: give a worker ready sessions that it fits: ready -> leasing, with a new attempt.
-- Tenants take turns by stride; within a tenant priority, then age. Looks at no more than 128
-- sessions, and at no more than 16 of a tenant at a time. Keys: see queue_submit.
--
-- KEYS 1 {q<k>}
-- ARGV 1 incarnation  2 words it has ",a,b,"  3 its slots  4 most items
-- returns {sid, tenant, priority, attempt, age (ms), now (ms), epoch its log must be in} ...
local q, inc, has = KEYS[1], ARGV[1], ARGV[2]
local mine = q .. ':w:' .. inc
local free = math.min(tonumber(ARGV[4]), ARGV[3] - redis.call('ZCARD', mine))
local time = redis.call('TIME')
local now = string.format('%.0f', time[1] * 1000 + math.floor(time[2] / 1000))
local claimed, looked = {}, 0

local function fits(need)
	for word in string.gmatch(need, '[^,]+') do
		if not string.find(has, ',' .. word .. ',', 1, true) then return false end
	end
	return true
end

local function take(tenant, ready)
	for _, sid in ipairs(redis.call('ZRANGE', ready, 0, 15)) do
		if looked >= 128 then return false end
		looked = looked + 1
		local item = q .. ':i:' .. sid
		local h = redis.call('HMGET', item, 'p', 'need', 'by', 'e')
		if fits(h[2]) then
			redis.call('ZREM', ready, sid)
			redis.call('ZREM', q .. ':ready', sid)
			redis.call('ZADD', q .. ':leasing', now, sid)
			redis.call('ZADD', mine, now, sid)
			local attempt = redis.call('HINCRBY', item, 'a', 1)
			redis.call('HSET', item, 'set', 'leasing', 'at', now, 'inc', inc, 'why', '')
			claimed[#claimed + 1] = {sid, tenant, h[1], attempt, h[3], now, h[4]}
			return true
		end
	end
	return false
end

local skip = 0
while #claimed < free and looked < 128 do
	local turn = redis.call('ZRANGE', q .. ':tenants', skip, skip, 'WITHSCORES')
	if not turn[1] then break end
	local tenant, ready = turn[1], q .. ':r:' .. turn[1]
	if take(tenant, ready) then
		redis.call('SET', q .. ':pass', turn[2])
		if redis.call('EXISTS', ready) == 0 then
			redis.call('ZREM', q .. ':tenants', tenant)
		else
			redis.call('ZINCRBY', q .. ':tenants', 1000, tenant)
		end
		skip = 0
	else
		skip = skip + 1
	end
end
return claimed
