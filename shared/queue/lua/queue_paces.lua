-- queue_paces: what was seen of starts and of leases.

local PACES, PACE_MS = 4096, 1800000
local function pace_key(ago)
	return string.format('%s:pace:%.0f', q, math.floor(now / PACE_MS) - ago)
end

-- Returns name -> value, false where nothing is known, and the names that this half hour has not seen.
local remembered, unseen = {}, {}
local function recall(names)
	local ask, old, new = {}, {}, {}
	for _, name in ipairs(names) do
		if remembered[name] == nil then
			remembered[name], ask[#ask + 1] = false, name
		end
	end
	if #ask > 0 then
		local values = call('HMGET', pace_key(0), unpack(ask))
		for i, name in ipairs(ask) do
			remembered[name] = values[i]
			if not values[i] then unseen[name], old[#old + 1] = true, name end
		end
	end
	if #old > 0 then
		local values = call('HMGET', pace_key(1), unpack(old))
		for i, name in ipairs(old) do remembered[name] = values[i] end
	end
	for _, name in ipairs(names) do
		if unseen[name] then new[#new + 1] = name end
	end
	return remembered, new
end

-- change(name, value or false) gives the value from now on. There are PACES names at most.
local function learn(names, change)
	if #names == 0 then return end
	local found, new = recall(names)
	local size, key, words = 0, pace_key(0), {}
	if #new > 0 then size = call('HLEN', key) end
	local begins = #new > 0 and size == 0
	local full = {}
	for _, name in ipairs(new) do
		full[name] = size >= PACES
		size = size + 1
	end
	for _, name in ipairs(names) do
		if not full[name] then
			words[#words + 1], words[#words + 2] = name, change(name, found[name])
		end
	end
	if #words > 0 then call('HSET', key, unpack(words)) end
	if begins then call('PEXPIRE', key, 2 * PACE_MS) end
end
