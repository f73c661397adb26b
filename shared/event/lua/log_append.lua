-- log_append: append a batch, move the state with its last event, ring the doorbell. Never creates.
--
-- KEYS 1 {s:<sid>}:head  2 {s:<sid>}:log
-- ARGV 1 tenant  2 generation  3 epoch, "" any  4 producer, "" none  5 its sequence
--      6 states: ",a,b," one of which must be the head's  7 new state, "" none
--      8 bytes that may be beyond the watermark afterwards, "" no limit  9 bell channel
--     10 trace id, "-" none  11 number of events, then type, level, data of each
-- rings the bell; and channel moves, "<sid> <tenant>", when the state moved, a command went on, or
--      another 64 KiB wait for the archive
-- returns {ok | again, epoch, first n, last n, state, bytes beyond the watermark}
--      or {missing} {stale} {rebuild} {fenced, epoch} {moved, state} {sequence, expected}
--         {duplicate} {producers} {limit}
local head, log = KEYS[1], KEYS[2]
local producer, seq, count = ARGV[4], ARGV[5], tonumber(ARGV[11])
local counted = string.sub(producer, 1, 2) ~= 'w:' -- a worker finds room whatever others took
local h = redis.call('HMGET', head, 't', 'g', 'e', 'n', 'st', 'a', 'b', 'np', 'r', 'p:' .. producer)
local function text(n) return string.format('%.0f', n) end

if not h[1] then return {'rebuild'} end
if h[1] ~= ARGV[1] then return {'missing'} end
local behind = tonumber(ARGV[2]) - tonumber(h[2])
if behind < 0 then return {'stale'} end
if behind > 0 then return {'rebuild'} end
if ARGV[3] ~= '' and ARGV[3] ~= h[3] then return {'fenced', h[3]} end

local batches = h[10] or ''
if producer ~= '' then
	for s, e, first, last in string.gmatch(batches, '(%d+),(%d+),(%d+),(%d+);') do
		if s == seq then return {'again', e, first, last, h[5], h[7]} end
	end
	local want = tonumber(string.match(batches, '^%d+') or '0') + 1
	if batches == '' then
		if counted and tonumber(h[8] or '0') >= 64 then return {'producers'} end
		if h[9] then want = tonumber(seq) end
	end
	if tonumber(seq) < want then return {'duplicate'} end
	if tonumber(seq) > want then return {'sequence', text(want)} end
end
if not string.find(ARGV[6], ',' .. h[5] .. ',', 1, true) then return {'moved', h[5]} end
local bytes = tonumber(h[7])
for i = 1, count do bytes = bytes + #ARGV[11 + 3 * i] + 64 end
if ARGV[8] ~= '' and bytes > tonumber(ARGV[8]) then return {'limit'} end

local time = redis.call('TIME')
local ts = text(math.max(time[1] * 1000 + math.floor(time[2] / 1000), tonumber(h[6])))
local e, n, state = h[3], tonumber(h[4]), h[5]
local first, bell, size, tell = text(n + 1), {}, 0, ARGV[7] ~= ''
for i = 1, count do
	local kind, level, data = ARGV[9 + 3 * i], ARGV[10 + 3 * i], ARGV[11 + 3 * i]
	local moved, id, done = '-', e .. '-' .. text(n + i), nil
	if i == count and ARGV[7] ~= '' then
		state, moved = ARGV[7], ARGV[7]
		done = redis.call('XADD', log, 'NOMKSTREAM', id, 't', kind, 'l', level, 'd', data,
			'a', ts, 'p', producer, 'q', seq, 's', state)
	else
		done = redis.call('XADD', log, 'NOMKSTREAM', id, 't', kind, 'l', level, 'd', data,
			'a', ts, 'p', producer, 'q', seq)
	end
	if not done then return {'rebuild'} end
	tell = tell or string.sub(kind, 1, 8) == 'command_'
	size = size + #data + 64
	if size <= 4096 then
		if level == '' then level = '-' end
		bell[i] = kind .. ' ' .. level .. ' ' .. (producer == '' and '-' or producer) .. ' '
			.. (seq == '' and '0' or seq) .. ' ' .. moved .. ' ' .. #data .. '\n' .. data
	end
end

local last = text(n + count)
redis.call('HSET', head, 'n', last, 'st', state, 'a', ts, 'b', text(bytes))
if producer ~= '' then
	local kept, left = seq .. ',' .. e .. ',' .. first .. ',' .. last .. ';', 7
	for batch in string.gmatch(batches, '[^;]+;') do
		if left == 0 then break end
		kept, left = kept .. batch, left - 1
	end
	redis.call('HSET', head, 'p:' .. producer, kept)
	if batches == '' and counted then redis.call('HINCRBY', head, 'np', 1) end
end
redis.call('PUBLISH', ARGV[9], e .. ' ' .. first .. ' ' .. last .. ' ' .. ts .. ' ' .. state .. ' '
	.. time[1] .. string.format('%06d', time[2]) .. ' ' .. ARGV[10] .. '\n'
	.. (size <= 4096 and table.concat(bell) or ''))
if tell or math.floor(bytes / 65536) ~= math.floor(tonumber(h[7]) / 65536) then
	redis.call('PUBLISH', 'moves', string.match(head, '{s:(.-)}') .. ' ' .. ARGV[1])
end
return {'ok', e, first, last, state, text(bytes)}
