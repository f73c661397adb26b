-- queue_move: every other transition of one session. Keys: see queue_submit.
--
-- KEYS 1 {q<k>}
-- ARGV 1 sid  2 verb  3 attempt it is about, "" whichever  4 epoch its log is in now, 0 as before
--      5 delay in ms (to ready: later)  6 reason  7 incarnation that was lost (requeue), "" none
--      8 bell channel
-- returns {ok | again, set} or {conflict, set} {missing}
-- verb = from, to, where it is if this was done before
local verbs = {
	opened = {',leasing,', 'leased', ',leased,'},
	refuse = {',leasing,leased,', 'ready', ',ready,delayed,'},
	requeue = {',leasing,leased,parked,', 'ready', ',ready,delayed,held,'},
	park = {',leased,', 'parked', ',parked,'},
	unpark = {',parked,', 'leased', ',leased,'},
	hold = {',ready,delayed,', 'held', ',held,'},
	release = {',held,delayed,', 'ready', ',ready,'},
	finish = {',ready,delayed,held,leasing,leased,parked,', 'done', ',done,'},
}
local q, sid, verb, why = KEYS[1], ARGV[1], verbs[ARGV[2]], ARGV[6]
local item = q .. ':i:' .. sid
local h = redis.call('HMGET', item, 'set', 't', 'p', 'by', 'a', 'inc', 'lost')
local set, tenant, inc, lost = h[1], h[2], h[6], h[7]
local function among(list) return string.find(list, ',' .. set .. ',', 1, true) end

if not set then return {'missing'} end
if ARGV[3] ~= '' and ARGV[3] ~= h[5] then return {'conflict', set} end
if among(verb[3]) then return {'again', set} end
if not among(verb[1]) then return {'conflict', set} end

local ready, to = q .. ':r:' .. tenant, verb[2]
redis.call('ZREM', q .. ':' .. set, sid)
if set == 'ready' then
	redis.call('ZREM', ready, sid)
	if redis.call('EXISTS', ready) == 0 then redis.call('ZREM', q .. ':tenants', tenant) end
elseif inc ~= '' then
	redis.call('ZREM', q .. (set == 'parked' and ':p:' or ':w:') .. inc, sid)
end

if ARGV[7] ~= '' then
	local _, times = string.gsub(lost, ',', ',')
	lost = lost .. ARGV[7] .. ','
	if times >= 2 then to, why = 'held', 'poison' end
end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local at = string.format('%.0f', now)
local score = at
if to == 'ready' and tonumber(ARGV[5]) > 0 then
	to, score = 'delayed', string.format('%.0f', now + ARGV[5])
end
if to == 'ready' then
	redis.call('ZADD', ready, string.format('%.0f', (9 - h[3]) * 1e13 + h[4]), sid)
	redis.call('ZADD', q .. ':tenants', 'NX', redis.call('GET', q .. ':pass') or '0', tenant)
	redis.call('PUBLISH', ARGV[8], 'ready')
elseif to == 'leased' or to == 'parked' then
	redis.call('ZADD', q .. (to == 'parked' and ':p:' or ':w:') .. inc, at, sid)
end
if to == 'parked' or (to == 'done' and inc ~= '') then redis.call('PUBLISH', ARGV[8], 'room') end
if to ~= 'leased' and to ~= 'parked' then inc = '' end
redis.call('ZADD', q .. ':' .. to, score, sid)
redis.call('HSET', item, 'set', to, 'at', at, 'inc', inc, 'why', why, 'lost', lost)
if ARGV[4] ~= '0' then redis.call('HSET', item, 'e', ARGV[4]) end
return {'ok', to}
