-- with queue_core.lua
-- queue_submit: put a session in the queue, once.
--
-- KEYS 1 {q<k>}
-- ARGV 1 sid  2 tenant  3 priority 0..9  4 words needed "a,b"  5 not before (ms, 0: now)
--      6 reason to hold it, "" none  7 bell channel  8 epoch its log is in  9 user  10 project
--      11 type of agent  12 key of concurrency  13 first in line 0 | 1
-- returns {ok | again, set}
local sid = ARGV[1]
local there = call('HGET', q .. ':i:' .. sid, 'set')
if there then return {'again', there} end

local set, score = 'ready', at
if ARGV[6] ~= '' then
	set = 'held'
elseif tonumber(ARGV[5]) > now then
	set, score = 'delayed', ARGV[5]
end
call('HSET', q .. ':i:' .. sid, 'f', table.concat({ARGV[2], ARGV[9], ARGV[10], ARGV[11], ARGV[12],
	ARGV[3], at, ARGV[4]}, '|'), 'set', set, 'at', at, 'a', '0', 'e', ARGV[8])
if ARGV[6] ~= '' then call('HSET', q .. ':i:' .. sid, 'why', ARGV[6]) end
if ARGV[13] == '1' then call('HSET', q .. ':i:' .. sid, 'boost', '1') end
if set ~= 'ready' then
	call('ZADD', q .. ':' .. set, score, sid)
else
	enter({sid = sid, t = ARGV[2], u = ARGV[9], p = ARGV[3], need = ARGV[4], by = at,
		boost = ARGV[13]})
	call('PUBLISH', ARGV[7], 'ready')
end
return {'ok', set}
