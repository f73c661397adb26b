-- with queue_core.lua
-- queue_move: every other transition, of up to 64 sessions.
--
-- KEYS 1 {q<k>}
-- ARGV 1 bell channel  2 verb, then for each session: its sid, attempt it is about, "" whichever,
--      epoch its log is in now, 0 as before, delay in ms (to ready: later), reason, incarnation:
--      that was lost (requeue), that it is for (place, prefer), "" none; slots of its worker
--      (unpark, place); "1" when it cannot be asked to leave, "2" when it also takes no place (park)
-- rings "ready", and "room" with the incarnations that have room again
-- returns for each {ok | again, set} or {conflict, set} {missing}
-- verb = from, to, where it is if this was done before
local verbs = {
	opened = ',leasing, leased ,leased,', -- open() below
	place = ',leasing, leasing ,,',
	prefer = ',leasing, delayed ,delayed,',
	refuse = ',leasing,leased, ready ,ready,delayed,',
	requeue = ',leasing,leased,parked, ready ,ready,delayed,held,',
	park = ',leased, parked ,parked,',
	unpark = ',parked, leased ,leased,',
	evict = ',parked, held ,held,',
	hold = ',ready,delayed, held ,held,',
	release = ',held,delayed, ready ,ready,',
	finish = ',ready,delayed,held,leasing,leased,parked, done ,done,',
}
local name, bells = ARGV[2], {room = {}}
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

-- How long sessions are on workers; of many that leave at once some tell.
local TELLERS = 4
local spent, names, told = {}, {}, 0
local function spend(name, ms, ended)
	if not spent[name] then spent[name], names[#names + 1] = {0, 0}, name end
	spent[name][1], spent[name][2] = spent[name][1] + ms, spent[name][2] + ended
end

-- The last 32 that ended weigh most.
local function spent_after(name, value)
	local ms, ended = string.match(value or '0|0', '^([^|]+)|(.+)$')
	local keeps = tonumber(ended) < 32 and 1 or 0.96875 ^ spent[name][2]
	return string.format('%.0f|%.3f', ms * keeps + spent[name][1], ended * keeps + spent[name][2])
end

-- Its worker's lists, and what limits count.
local function account(h, was, to, other, slots)
	local sid, inc = h.sid, h.inc
	local had, has = leases[was], leases[to]
	if was == 'leased' and not has and told < TELLERS then
		told = told + 1
		local ms, ended = math.max(0, now - h.at), to == 'done' and 1 or 0
		spend('d|' .. h.need, ms, ended)
		spend('d|' .. h.need .. '|' .. h.t, ms, ended)
	end
	if had and (not has or name == 'place') then later('ZREM', q .. ':w:' .. inc, sid) end
	if name == 'place' then inc = other end
	if has and (not had or name == 'place') then later('ZADD', q .. ':w:' .. inc, sid, at) end
	if to == 'parked' then
		call('ZADD', q .. (slots == '2' and ':n:' or ':p:') .. inc, slots == '1' and '0' or at, sid)
	end
	if had and not has then
		count_out(h, true, to == 'parked')
		bells.room[inc] = true
	elseif has and not had then
		count_in(h)
	elseif name == 'evict' or to == 'done' or was == 'parked' then
		count_out(h, false, name == 'evict')
		bells.room[inc] = true
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

-- A lease that is over says nothing.
local function is_other(attempt, a) return attempt ~= '' and attempt ~= a end

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
		local _, times = string.gsub(h.lost, ',', ',')
		h.lost = h.lost .. other .. ','
		if times >= 2 then to, why = 'held', 'poison' end
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
		bells.ready = (bells.ready or 0) + 1
	else
		later('ZADD', q .. ':' .. to, sid, score)
		save(h, to, why)
	end
	if name == 'refuse' then refund(h) end
	return {'ok', to}
end

local results, sids = {}, {}
for i = 3, #ARGV, 7 do sids[#sids + 1] = ARGV[i] end

-- Every lease goes this way, and nothing but its set and its epoch changes: the rest of its line is left
-- as it is.
local function open(text, sid, attempt, epoch)
	if not text then return {'missing'} end
	local head, set, mine, a, old, rest = string.match(text,
		'^([^\n]*\n)([^|]*)|[^|]*(|[^|]*|([^|]*)|)([^|]*)(|[^|]*|[^|]*|[^|]*|).*$')
	if is_other(attempt, a) then return {'conflict', set} end
	if set == 'leased' then return {'again', set} end
	if set ~= 'leasing' then return {'conflict', set} end
	return {'ok', 'leased'}, head .. 'leased|' .. at .. mine .. (epoch ~= '0' and epoch or old) .. rest
end

if name == 'opened' and #sids > 0 then
	local texts = call('HMGET', I, unpack(sids))
	local left, came, lines = {'ZREM', q .. ':leasing'}, {'ZADD', q .. ':leased'}, {'HSET', I}
	for i, sid in ipairs(sids) do
		local n, line = 7 * i - 4, nil
		results[i], line = open(texts[i], sid, ARGV[n + 1], ARGV[n + 2])
		if line then
			left[#left + 1] = sid
			came[#came + 1], came[#came + 2] = at, sid
			lines[#lines + 1], lines[#lines + 2] = sid, line
		end
	end
	if #left > 2 then
		call(unpack(left))
		call(unpack(came))
		call(unpack(lines))
	end
	return results
end

know_all(sids)
for i = 3, #ARGV, 7 do
	results[#results + 1] = move(ARGV[i], ARGV[i + 1], ARGV[i + 2], ARGV[i + 3], ARGV[i + 4],
		ARGV[i + 5], ARGV[i + 6])
end
write_all()
learn(names, spent_after)
if bells.ready or woken > 0 then ring(ARGV[1], bells.ready or 0) end
if next(bells.room) then
	local freed = {'room'}
	for inc in pairs(bells.room) do freed[#freed + 1] = inc end
	call('PUBLISH', ARGV[1], table.concat(freed, ' '))
end
return results
