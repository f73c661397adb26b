-- queue_limited: how many sessions wait for which limit. Keys: see queue_core.
--
-- KEYS 1 {q<k>}
-- returns {name of the limit, sessions} of 128 limits at most; 2^53 - 1 for a tenant's own: all of its
local q, rows = KEYS[1], {}

-- Those of a user that has stepped back stay in the trees of 128 classes at most.
local function of_user(user)
	local sum = 0
	for _, class in ipairs(redis.call('ZRANGE', q .. ':fu:' .. user, 0, 127)) do
		sum = sum + redis.call('ZCARD', q .. ':r:' .. class .. ':' .. user)
	end
	return sum
end

for i, name in ipairs(redis.call('ZRANGE', q .. ':waits', 0, 127)) do
	local kind, of = string.sub(name, 1, 2), string.sub(name, 3)
	if kind == 't:' then
		rows[i] = {name, 9007199254740991}
	elseif kind == 'u:' then
		rows[i] = {name, of_user(of)}
	else
		rows[i] = {name, redis.call('ZCARD', q .. ':b:' .. name)}
	end
end
return rows
