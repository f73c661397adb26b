-- queue_taken: what comes while nobody waits is leased as it comes, to a worker that a scheduler offers: what a
-- claim at once would do, without the way there and back. Where anything is unusual it is left to claims.

-- So many kinds of needs are looked at, those that were ready lately; beyond that all goes by claims. So does
-- what comes when as many leases are not opened yet: whoever opens them has enough to do.
local CLASSES, UNOPENED = 32, 128

-- The less busy of two that are offered, who offers it, and words it has; nil: none has room, or not all that
-- it likes, and then it may be worth waiting for another.
local function offered(need, likes)
	local offer = call('HMGET', q .. ':offer', 'till', 'n', 'holder')
	if not offer[1] or tonumber(offer[1]) < now then return nil end
	local n, best, least, words = tonumber(offer[2]), nil, nil, nil
	local i = time[2] % n
	local pair = call('HMGET', q .. ':offer', i + 1, (i + 1) % n + 1)
	for k = 1, math.min(n, 2) do
		local inc, slots, places, has, holds = string.match(pair[k], '^([^|]+)|(%d+)|(%d+)|([^|]*)|(.*)$')
		local working = call('ZCARD', q .. ':w:' .. inc)
		if working < tonumber(slots) and (not best or working / slots < least) and fits(need, has) and
			fits(likes, has .. holds) and working + call('ZCARD', q .. ':p:' .. inc) < tonumber(places) then
			best, least, words = inc, working / slots, has
		end
	end
	return best, offer[3], words
end

-- Nobody whom it fits is ready, and nobody waits for room, or for this worker.
local function nobody_waits(inc, has)
	local known = call('HLEN', q .. ':ci')
	if known > CLASSES or call('ZCARD', q .. ':leasing') >= UNOPENED then return false end
	local keys = {q .. ':waits', q .. ':back:' .. inc, q .. ':wait:' .. inc}
	local classes = known > 0 and call('HGETALL', q .. ':ci') or {}
	for i = 1, #classes, 2 do
		if fits(classes[i + 1], has) then keys[#keys + 1] = q .. ':T:' .. classes[i] end
	end
	return call('EXISTS', unpack(keys)) == 0
end

-- No gate is shut or on trial.
local function all_open(names)
	for _, gate in ipairs(call('HMGET', q .. ':gate', unpack(names))) do
		if gate then return false end
	end
	return true
end

local function has_room(names)
	local n, fields = #names, {}
	for i = 1, n do fields[i], fields[n + i] = names[i], string.sub(names[i], 1, 2) .. '*' end
	local limits = call('HMGET', q .. ':limit', unpack(fields))
	for i = 1, n do
		local limit = limits[i] or limits[n + i]
		if limit and call('SCARD', K .. names[i]) >= tonumber(limit) then return false end
	end
	return true
end

-- As limits_of() has them.
local function names_of(t, u, project, agent)
	local names = {'t:' .. t, 'u:' .. t .. ':' .. u}
	if call('EXISTS', q .. ':counted') == 1 then
		if project ~= '' then names[#names + 1] = 'p:' .. t .. ':' .. project end
		if agent ~= '' then names[#names + 1] = 'a:' .. t .. ':' .. agent end
	end
	return names
end

local function take_turn(key, who, stride, wide)
	local pass, last = pass_in_turn(call('HMGET', key, who, '*'))
	call('HSET', key, '*', math.max(pass, last) .. '|' .. at .. wide,
		who, math.max(pass, last - CREDIT * stride) + stride .. '|' .. at)
end
