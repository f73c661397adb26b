-- log_restore: after a loss of Redis, put back entries beyond the tail with their original ids.
-- The log stays closed (its generation is an older one) until log_open recovers it.
--
-- What the archive has need not be in the tail: where that ends before the base, the log goes on there. The
-- state is then a guess (rs 1) until an entry moves it, for log_open to put right.
--
-- KEYS 1 {s:<sid>}:head  2 {s:<sid>}:log
-- ARGV 1 tenant  2 generation  3 base: the archive has everything through it
--      4 state, if the head does not know it  5 number of entries
--      6 the first generation since Redis was empty, then of each
--        epoch, n, type, level, data, time (ms), producer, sequence, state it moved to
-- returns {ok, epoch, n, state} or {sequence, n that must come first} {fenced, epoch} {missing}
--      {stale}
local head, log = KEYS[1], KEYS[2]
local h = redis.call('HMGET', head, 't', 'g', 'e', 'n', 'st', 'b', 'np', 'a', 'rb')
if h[9] and tonumber(h[9]) < tonumber(ARGV[6]) and h[1] == ARGV[1] then -- see log_open
	redis.call('DEL', head, log)
	h = {}
end
local function text(n) return string.format('%.0f', n) end

local e, n, state = h[3] or '0', tonumber(h[4] or ARGV[3]), h[5] or ARGV[4]
local bytes, producers, ts = tonumber(h[6] or '0'), tonumber(h[7] or '0'), h[8] or '0'
if h[1] then
	local behind = tonumber(ARGV[2]) - tonumber(h[2])
	if h[1] ~= ARGV[1] then return {'missing'} end
	if behind < 0 then return {'stale'} end
	if behind == 0 then return {'fenced', e} end
	if tonumber(ARGV[3]) > n then
		redis.call('DEL', log)
		redis.call('HSET', head, 'w', ARGV[3], 'r', '1', 'rs', '1')
		n, bytes = tonumber(ARGV[3]), 0
	end
else
	redis.call('DEL', log)
	redis.call('HSET', head, 't', ARGV[1], 'g', '0', 'w', ARGV[3], 'r', '1', 'rs', '1')
end

-- The same record as in log_append: the last 8 batches, newest first; one that goes on is extended.
local function remember(producer, seq, epoch, entry)
	local field = 'p:' .. producer
	local old = redis.call('HGET', head, field)
	local newest, from = string.match(old or '', '^(%d+),%d+,(%d+),')
	local kept, left = seq .. ',' .. epoch .. ',' .. entry .. ',' .. entry .. ';', 7
	if newest == seq then
		kept = seq .. ',' .. epoch .. ',' .. from .. ',' .. entry .. ';'
		old = string.gsub(old, '^[^;]+;', '')
	elseif not old and string.sub(producer, 1, 2) ~= 'w:' then
		producers = producers + 1
	end
	for batch in string.gmatch(old or '', '[^;]+;') do
		if left == 0 then break end
		kept, left = kept .. batch, left - 1
	end
	redis.call('HSET', head, field, kept)
end

local hole = false
for i = 0, tonumber(ARGV[5]) - 1 do
	local at = 7 + 9 * i
	local epoch, entry, data, moved = ARGV[at], tonumber(ARGV[at + 1]), ARGV[at + 4], ARGV[at + 8]
	if entry > n then
		if entry ~= n + 1 or tonumber(epoch) < tonumber(e) then
			hole = true
			break
		end
		local id = epoch .. '-' .. ARGV[at + 1]
		if moved == '' then
			redis.call('XADD', log, id, 't', ARGV[at + 2], 'l', ARGV[at + 3], 'd', data,
				'a', ARGV[at + 5], 'p', ARGV[at + 6], 'q', ARGV[at + 7])
		else
			redis.call('XADD', log, id, 't', ARGV[at + 2], 'l', ARGV[at + 3], 'd', data,
				'a', ARGV[at + 5], 'p', ARGV[at + 6], 'q', ARGV[at + 7], 's', moved)
			state = moved
			redis.call('HDEL', head, 'rs')
		end
		e, n, ts, bytes = epoch, entry, ARGV[at + 5], bytes + #data + 64
		if ARGV[at + 6] ~= '' then remember(ARGV[at + 6], ARGV[at + 7], epoch, ARGV[at + 1]) end
	end
end
redis.call('HSET', head, 'e', e, 'n', text(n), 'st', state, 'b', text(bytes), 'a', ts,
	'np', text(producers))
if hole then return {'sequence', text(n + 1)} end
return {'ok', e, text(n), state}
