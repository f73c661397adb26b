-- with queue_core.lua
-- queue_submit: put a session in the queue, once.
--
-- KEYS 1 {q<k>}
-- ARGV 1 sid  2 tenant  3 priority 0..9  4 words needed "a,b"  5 not before (ms, 0: now)
--      6 reason to hold it, "" none  7 bell channel  8 epoch its log is in  9 user  10 project
--      11 type of agent  12 key of concurrency  13 first in line 0 | 1  14 words that it likes a worker to have
-- returns {ok | again, set}
local there = call('HGET', I, ARGV[1])
if there then return {'again', string.match(there, '\n([^|]*)')} end

-- with queue_items.lua
-- with queue_tree.lua
-- Attempts go on from the epoch: after a loss of Redis none may have the number of one before it.
local h = {sid = ARGV[1], t = ARGV[2], u = ARGV[9], p = ARGV[3], need = ARGV[4], by = at, a = ARGV[8],
	e = ARGV[8], c = '', inc = '', first = ARGV[13], lost = '', names = false, keyed = false, unsaved = false}
h.f = table.concat({h.t, h.u, ARGV[10], ARGV[11], ARGV[12], h.p, at, h.need, ARGV[14]},
	'|')
if ARGV[6] ~= '' then
	call('ZADD', q .. ':held', at, h.sid)
	save(h, 'held', ARGV[6])
elseif tonumber(ARGV[5]) > now then
	call('ZADD', q .. ':delayed', ARGV[5], h.sid)
	save(h, 'delayed', '')
else
	enter(h)
	call('PUBLISH', ARGV[7], 'ready 1 ' .. h.sid)
end
write_all()
return {'ok', h.set}
