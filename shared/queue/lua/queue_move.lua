-- with queue_core.lua
-- queue_move: every other transition than queue_opened's, of up to 64 sessions.
--
-- KEYS 1 {q<k>}
-- ARGV 1 bell channel  2 verb, then for each session: its sid, attempt it is about, "" whichever,
--      epoch its log is in now, 0 as before, delay in ms (to ready: later), reason, incarnation:
--      that was lost (requeue), that it is for (place, prefer), "" none; slots of its worker
--      (unpark, place); "1" when it cannot be asked to leave, "2" when it also takes no place (park)
-- rings "ready", and "room" with the incarnations that have room again
-- returns for each {ok | again, set} or {conflict, set} {missing}
-- with queue_items.lua
-- with queue_limits.lua
-- with queue_paces.lua
local name, sids, results = ARGV[2], {}, {}
local room, ready = {}, 0 -- incarnations that have room again, and how many sessions became ready
for i = 3, #ARGV, 7 do sids[#sids + 1] = ARGV[i] end
know_all(sids)

-- How long sessions are on workers; of many that leave at once some tell.
local TELLERS = 4
local spent, lines, told = {}, {}, 0
local function tell(h, ended)
	if told >= TELLERS then return end
	told = told + 1
	local ms = math.max(0, now - h.at)
	for _, line in ipairs({'d|' .. h.need, 'd|' .. h.need .. '|' .. h.t}) do
		if not spent[line] then spent[line], lines[#lines + 1] = {0, 0}, line end
		spent[line][1], spent[line][2] = spent[line][1] + ms, spent[line][2] + ended
	end
end

-- The last 32 that ended weigh most.
local function spent_after(line, value)
	local ms, ended = string.match(value or '0|0', '^([^|]+)|(.+)$')
	local keeps = tonumber(ended) < 32 and 1 or 0.96875 ^ spent[line][2]
	return string.format('%.0f|%.3f', ms * keeps + spent[line][1], ended * keeps + spent[line][2])
end

local function end_call(woken)
	write_all()
	learn(lines, spent_after)
	if ready + woken > 0 then call('PUBLISH', ARGV[1], 'ready ' .. (woken > 0 and 128 or ready)) end
	if next(room) then
		local freed = {'room'}
		for inc in pairs(room) do freed[#freed + 1] = inc end
		call('PUBLISH', ARGV[1], table.concat(freed, ' '))
	end
	return results
end

-- A lease that is over says nothing.
local function is_other(attempt, a) return attempt ~= '' and attempt ~= a end

-- Mostly leases end, and nobody waits for their room.
while name == 'finish' and #results < #sids and not anybody_waits() do
	local sid, n = sids[#results + 1], 7 * #results + 3
	local h = item_of(sid)
	if not h or h.set ~= 'leased' or is_other(ARGV[n + 1], h.a) then break end
	tell(h, 1)
	room[h.inc] = true
	later('ZREM', q .. ':leased', sid)
	later('ZREM', q .. ':w:' .. h.inc, sid)
	later('ZADD', q .. ':done', sid, at)
	for _, limit in ipairs(limits_of(h)) do call('SREM', K .. limit, sid) end
	h.inc = ''
	if ARGV[n + 2] ~= '0' then h.e = ARGV[n + 2] end
	save(h, 'done', ARGV[n + 4])
	results[#results + 1] = {'ok', 'done'}
end
if #results == #sids then return end_call(0) end

-- with queue_gates.lua
-- with queue_turns.lua
-- with queue_tree.lua
-- with queue_waits.lua
-- verb = from, to, where it is if this was done before
local verbs = {
	place = ',leasing, leasing ,,',
	prefer = ',leasing, delayed ,delayed,',
	refuse = ',leasing,leased, ready ,ready,delayed,',
	requeue = ',leasing,leased,parked, ready ,ready,delayed,held,',
	park = ',leasing,leased, parked ,parked,', -- a worker may begin before the queue hears of its epoch
	unpark = ',parked, leased ,leased,',
	evict = ',parked, held ,held,',
	hold = ',ready,delayed, held ,held,',
	release = ',held,delayed, ready ,ready,',
	finish = ',ready,delayed,held,leasing,leased,parked, done ,done,',
}
local from, target, after = string.match(verbs[name], '^(%S+) (%S+) (%S+)$')
local leases = {leasing = true, leased = true}
local may, did = {}, {}
for set in string.gmatch(from, '%a+') do may[set] = true end
for set in string.gmatch(after, '%a+') do did[set] = true end

local function full(worker, slots)
	if slots == '0' then return false end
	settle(q .. ':w:' .. worker)
	return call('ZCARD', q .. ':w:' .. worker) >= tonumber(slots)
end

-- Its worker's lists, and what limits count.
local function account(h, was, to, other, slots)
	local sid, inc = h.sid, h.inc
	local had, has = leases[was], leases[to]
	if was == 'leased' and not has then tell(h, to == 'done' and 1 or 0) end
	if had and (not has or name == 'place') then later('ZREM', q .. ':w:' .. inc, sid) end
	if name == 'place' then inc = other end
	if has and (not had or name == 'place') then later('ZADD', q .. ':w:' .. inc, sid, at) end
	if to == 'parked' then
		call('ZADD', q .. (slots == '2' and ':n:' or ':p:') .. inc, slots == '1' and '0' or at, sid)
	end
	if had and not has then
		count_out(h, true, to == 'parked')
		room[inc] = true
	elseif has and not had then
		count_in(h)
	elseif name == 'evict' or to == 'done' or was == 'parked' then
		count_out(h, false, name == 'evict')
		room[inc] = true
	end
	h.inc = (has or to == 'parked') and inc or ''
end

-- The turn that it did not use.
local function refund(h)
	local weight = call('HGET', q .. ':weight', h.t) or '1'
	local known = call('HGET', q .. ':v', h.t)
	if known then set_pass(q .. ':v', h.t, string.match(known, '^[^|]+') - STRIDE / weight) end
	known = call('HGET', q .. ':v:' .. h.t, h.u)
	if known then set_pass(q .. ':v:' .. h.t, h.u, string.match(known, '^[^|]+') - STRIDE) end
end

local function move(sid, attempt, epoch, delay, why, other, slots)
	local h = item_of(sid)
	if not h then return {'missing'} end
	if is_other(attempt, h.a) then return {'conflict', h.set} end
	local was, to, score = h.set, target, at
	if did[was] then return {'again', was} end
	if not may[was] then return {'conflict', was} end

	if name == 'unpark' and (full(h.inc, slots) or not may_lease(h)) then
		call('ZADD', q .. ':back:' .. h.inc, 'NX', at, sid)
		return {'ok', 'parked'}
	end
	if name == 'place' and h.inc == other then return {'again', was} end
	if name == 'place' and full(other, slots) then return {'conflict', was} end
	if name == 'requeue' and other ~= '' then
		-- Schedulers, who know of what, find it poison before.
		local _, times = string.gsub(h.lost, ',', ',')
		h.lost = h.lost .. other .. ','
		if times >= 14 then to, why = 'held', 'poison' end
	end
	if to == 'ready' and tonumber(delay) > 0 then to = 'delayed' end
	if to == 'delayed' then score = string.format('%.0f', now + delay) end

	take_out(h)
	account(h, was, to, other, slots)
	if epoch ~= '0' then h.e = epoch end
	if name == 'evict' then h.first = '1' end
	if name == 'prefer' then
		why = 'wait:' .. other
		call('ZADD', q .. ':wait:' .. other, h.by, sid)
	end
	if to == 'ready' then
		enter(h)
		ready = ready + 1
	else
		later('ZADD', q .. ':' .. to, sid, score)
		save(h, to, why)
	end
	if name == 'refuse' then refund(h) end
	return {'ok', to}
end

while #results < #sids do
	local n = 7 * #results + 3
	results[#results + 1] = move(unpack(ARGV, n, n + 6))
end
return end_call(woken)
