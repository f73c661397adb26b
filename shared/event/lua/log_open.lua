-- log_open: create a log or raise its epoch, and write the new epoch's first entry.
--
-- The head is a hash: t tenant, g generation, st state, e epoch, n last entry, w watermark
-- (archived through it), b bytes beyond the watermark, a time of the last entry (ms), o token and of first n
-- of the last opening, np number of producers but workers, p:<producer> its last 8 batches
-- ("seq,epoch,first,last;", newest first), r 1 when the producers could not be recovered, rs 1 when st is a
-- guess (log_restore), rb the generation in which it was recovered without anything there.
--
-- KEYS 1 {s:<sid>}:head  2 {s:<sid>}:log
-- ARGV 1 tenant  2 generation  3 create | raise | recover  4 token  5 cause
--      6 epoch: raise: what the head's must be, "" any; else the highest that is known
--      7 create, recover: the last archived <epoch>-<n>
--      8 states ",a,b,": the head's must be one of them (recover: is left alone otherwise)
--      9 state: the new state, "" none; recover without status event: used only when the head does not know it
--     10 data of the status event, "" none   11 bell channel
--     12 the first generation since Redis was empty   13 channel that is told, "" none  14 what it is told
-- rings the bell, and but for create, of which the row knows, channel moves: "<sid> <tenant> <cause>"
-- tells channel 13 when it is done now, last of all: whoever hears it may begin at once
-- returns {ok | again, epoch, first n, last n, state, bytes beyond the watermark, and ok: how many were told}
--      or {missing} {stale} {rebuild} {fenced, epoch} {moved, state}
local head, log = KEYS[1], KEYS[2]
local how, token, state, data = ARGV[3], ARGV[4], ARGV[9], ARGV[10]
local h = redis.call('HMGET', head, 't', 'g', 'e', 'n', 'st', 'o', 'of', 'a', 'b', 'w', 'rs', 'rb')

-- It was recovered from nothing after Redis was emptied, by somebody who did not know that: what its worker
-- has of it comes before.
if how == 'recover' and h[12] and tonumber(h[12]) < tonumber(ARGV[12]) and h[1] == ARGV[1] then
	redis.call('DEL', head, log)
	h = {}
end
local function text(n) return string.format('%.0f', n) end

if h[1] then
	local behind = tonumber(ARGV[2]) - tonumber(h[2])
	if h[1] ~= ARGV[1] then return {'missing'} end
	if behind < 0 then return {'stale'} end
	if behind > 0 and how ~= 'recover' then return {'rebuild'} end
	if behind == 0 then
		if h[6] == token then return {'again', h[3], h[7], h[4], h[5], h[9]} end
		if how ~= 'raise' then return {'moved', h[5]} end
	end
	if how == 'raise' and ARGV[6] ~= '' and ARGV[6] ~= h[3] then return {'fenced', h[3]} end
	if not string.find(ARGV[8], ',' .. h[5] .. ',', 1, true) then
		if behind > 0 then redis.call('HSET', head, 'g', ARGV[2]) end
		return {'moved', h[5]}
	end
elseif how == 'raise' then
	return {'rebuild'}
end

local epoch, n = tonumber(h[3] or '0'), tonumber(h[4] or '0')
local mark, bytes = tonumber(h[10] or '0'), tonumber(h[9] or '0')
local guess = h[11]
local previous = (h[3] or '0') .. '-' .. (h[4] or '0')
if how ~= 'raise' then
	local known, archived = tonumber(ARGV[6]), tonumber(string.match(ARGV[7], '%d+$'))
	if not h[1] then
		redis.call('DEL', log)
		if archived > 0 then redis.call('HSET', head, 'r', '1') end
	end
	if archived > n then -- what is between is only in the archive, and may have moved it
		redis.call('DEL', log)
		guess = true
	end
	if archived >= n then n, bytes, previous = archived, 0, ARGV[7] end
	epoch, mark = math.max(epoch, known), math.max(mark, archived)
end
-- What was handed out last may have been lost with Redis before PostgreSQL heard of it: an epoch after
-- a loss is beyond all that the generation before can have given.
if how == 'recover' then epoch = math.max(epoch + 1000, (ARGV[2] - 1) * 1000000) end
epoch = epoch + 1
if h[1] and how == 'recover' and data == '' and not guess then state = '' end
if state == '' then state = h[5] end

local time = redis.call('TIME')
local now = math.max(time[1] * 1000 + math.floor(time[2] / 1000), tonumber(h[8] or '0'))
local first, e, ts = n + 1, text(epoch), text(now)
local opening = '{"epoch":' .. e .. ',"cause":"' .. ARGV[5] .. '","previous":"' .. previous .. '"}'
local bell = 'epoch - - 0 - ' .. #opening .. '\n' .. opening
n = n + 1
bytes = bytes + #opening + 64
redis.call('XADD', log, e .. '-' .. text(n),
	't', 'epoch', 'l', '', 'd', opening, 'a', ts, 'p', '', 'q', '')
if data ~= '' then
	n = n + 1
	bytes = bytes + #data + 64
	redis.call('XADD', log, e .. '-' .. text(n),
		't', 'status', 'l', '', 'd', data, 'a', ts, 'p', '', 'q', '', 's', state)
	bell = bell .. 'status - - 0 ' .. state .. ' ' .. #data .. '\n' .. data
end
redis.call('HSET', head, 't', ARGV[1], 'g', ARGV[2], 'e', e, 'n', text(n), 'st', state, 'o', token,
	'of', text(first), 'a', ts, 'b', text(bytes), 'w', text(mark))
if h[11] then redis.call('HDEL', head, 'rs') end
if how == 'recover' and not h[1] then redis.call('HSET', head, 'rb', ARGV[2]) end
redis.call('PUBLISH', ARGV[11],
	e .. ' ' .. text(first) .. ' ' .. text(n) .. ' ' .. ts .. ' ' .. state .. '\n' .. bell)
if how ~= 'create' then
	redis.call('PUBLISH', 'moves', string.match(head, '{s:(.-)}') .. ' ' .. ARGV[1] .. ' ' .. ARGV[5])
end
local told = ARGV[13] ~= '' and redis.call('PUBLISH', ARGV[13], ARGV[14]) or 0
return {'ok', e, text(first), text(n), state, text(bytes), told}
