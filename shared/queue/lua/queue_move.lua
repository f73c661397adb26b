-- with queue_core.lua
-- queue_move: every other transition of one session.
--
-- KEYS 1 {q<k>}
-- ARGV 1 sid  2 verb  3 attempt it is about, "" whichever  4 epoch its log is in now, 0 as before
--      5 delay in ms (to ready: later)  6 reason  7 incarnation: that was lost (requeue), that it
--      is for (place, prefer), "" none  8 bell channel  9 slots of its worker (unpark, place)
-- returns {ok | again, set} or {conflict, set} {missing}
-- verb = from, to, where it is if this was done before
local verbs = {
	opened = {',leasing,', 'leased', ',leased,'},
	place = {',leasing,', 'leasing', ',,'},
	prefer = {',leasing,', 'delayed', ',delayed,'},
	refuse = {',leasing,leased,', 'ready', ',ready,delayed,'},
	requeue = {',leasing,leased,parked,', 'ready', ',ready,delayed,held,'},
	park = {',leased,', 'parked', ',parked,'},
	unpark = {',parked,', 'leased', ',leased,'},
	evict = {',parked,', 'held', ',held,'},
	hold = {',ready,delayed,', 'held', ',held,'},
	release = {',held,delayed,', 'ready', ',ready,'},
	finish = {',ready,delayed,held,leasing,leased,parked,', 'done', ',done,'},
}
local sid, name, verb, why, other = ARGV[1], ARGV[2], verbs[ARGV[2]], ARGV[6], ARGV[7]
local h = item_of(sid)
if not h then return {'missing'} end
local function among(list) return string.find(list, ',' .. h.set .. ',', 1, true) end
if ARGV[3] ~= '' and ARGV[3] ~= h.a then return {'conflict', h.set} end
if among(verb[3]) then return {'again', h.set} end
if not among(verb[1]) then return {'conflict', h.set} end

local item, inc, to, score, ring = q .. ':i:' .. sid, h.inc, verb[2], at, nil
local function room_at(worker)
	return ARGV[9] == '0' or call('ZCARD', q .. ':w:' .. worker) < tonumber(ARGV[9])
end

if name == 'unpark' and not room_at(inc) then
	call('ZADD', q .. ':back:' .. inc, 'NX', at, sid)
	return {'ok', 'parked'}
end
if name == 'place' and (inc == other or not room_at(other)) then
	return {inc == other and 'again' or 'conflict', h.set}
end
if name == 'requeue' and other ~= '' then
	local _, times = string.gsub(h.lost, ',', ',')
	h.lost = h.lost .. other .. ','
	if times >= 2 then to, why = 'held', 'poison' end
end
if name == 'evict' then h.boost = '1' end
if to == 'ready' and tonumber(ARGV[5]) > 0 then to = 'delayed' end
if to == 'delayed' then score = string.format('%.0f', now + ARGV[5]) end

-- ---- out of where it is ----

local had, has = h.set == 'leasing' or h.set == 'leased', to == 'leasing' or to == 'leased'
if h.set == 'ready' then
	leave(h)
	wake_others(h)
else
	call('ZREM', q .. ':' .. h.set, sid)
end
if had then
	if not has or name == 'place' then call('ZREM', q .. ':w:' .. inc, sid) end
elseif h.set == 'parked' then
	call('ZREM', q .. ':p:' .. inc, sid)
	call('ZREM', q .. ':back:' .. inc, sid)
elseif string.sub(h.why, 1, 6) == 'limit:' then
	unblock(h, string.sub(h.why, 7))
elseif string.sub(h.why, 1, 5) == 'wait:' then
	call('ZREM', q .. ':wait:' .. string.sub(h.why, 6), sid)
end

-- ---- into where it goes ----

if to ~= 'ready' then call('ZADD', q .. ':' .. to, score, sid) end
if name == 'place' then inc = other end
if to == 'parked' then
	call('ZADD', q .. ':p:' .. inc, at, sid)
elseif has and (not had or name == 'place') then
	call('ZADD', q .. ':w:' .. inc, at, sid)
elseif not has then
	inc = ''
end
if name == 'prefer' then
	why = 'wait:' .. other
	call('ZADD', q .. ':wait:' .. other, h.by, sid)
end
call('HSET', item, 'set', to, 'at', at, 'inc', inc, 'why', why)
if ARGV[4] ~= '0' then call('HSET', item, 'e', ARGV[4]) end
if name == 'requeue' then call('HSET', item, 'lost', h.lost) end
if name == 'evict' then call('HSET', item, 'boost', '1') end

if had and not has then
	count_out(h, to == 'parked')
	ring = 'room'
elseif name == 'unpark' then
	count_in(h)
elseif name == 'evict' or to == 'done' or h.set == 'parked' then
	count_out(h, name == 'evict')
	ring = 'room'
end
if to == 'ready' then
	enter(h)
	ring = 'ready'
end
if name == 'refuse' then
	local weight = tonumber(call('HGET', q .. ':weight', h.t) or '1')
	for key, who in pairs({[q .. ':v'] = h.t, [q .. ':v:' .. h.t] = h.u}) do
		local known = call('HGET', key, who)
		local back = key == q .. ':v' and STRIDE / weight or STRIDE
		if known then set_pass(key, who, string.match(known, '^[^|]+') - back) end
	end
end
if ring then call('PUBLISH', ARGV[8], ring) end
return {'ok', to}
