#!lua flags=allow-oom
-- log_trim: advance the archive watermark, then drop entries that are archived, never others.
-- It may run when Redis is full (allow-oom): it is what makes room.
--
-- KEYS 1 {s:<sid>}:head  2 {s:<sid>}:log
-- ARGV 1 tenant  2 generation  3 from: what the watermark must be  4 to: the new one
--      5 bytes that from+1..to count for  6, 7 epoch, n: drop up to here, "0", "0" none
--      8 ms after which an ended session archived to its end leaves, "" stays
--      9 terminal states ",a,b,"
-- returns {ok, watermark} also when it is there already, or {moved, watermark} {sequence, last n}
--      or {missing} {stale} {rebuild}
local head, log = KEYS[1], KEYS[2]
local h = redis.call('HMGET', head, 't', 'g', 'n', 'st', 'w', 'b')
local function text(n) return string.format('%.0f', n) end

if not h[1] then return {'rebuild'} end
if h[1] ~= ARGV[1] then return {'missing'} end
local behind = tonumber(ARGV[2]) - tonumber(h[2])
if behind < 0 then return {'stale'} end
if behind > 0 then return {'rebuild'} end

local from, to = tonumber(ARGV[3]), tonumber(ARGV[4])
local mark, n = tonumber(h[5]), tonumber(h[3])
if to > n then return {'sequence', h[3]} end
if mark == from and to > from then
	mark = to
	local bytes = to == n and 0 or math.max(0, tonumber(h[6]) - tonumber(ARGV[5]))
	redis.call('HSET', head, 'w', text(to), 'b', text(bytes))
elseif mark < to then
	return {'moved', text(mark)}
end
local trim = tonumber(ARGV[7])
if trim > 0 and trim <= mark then
	redis.call('XTRIM', log, 'MINID', '=', ARGV[6] .. '-' .. text(trim + 1))
end
if ARGV[8] ~= '' and mark == n and string.find(ARGV[9], ',' .. h[4] .. ',', 1, true) then
	redis.call('PEXPIRE', log, ARGV[8])
	redis.call('PEXPIRE', head, ARGV[8])
end
return {'ok', text(mark)}
