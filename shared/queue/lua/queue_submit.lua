-- with queue_core.lua
-- queue_submit: put a session in the queue, once; or lease it, when nobody waits and a worker is offered.
--
-- KEYS 1 {q<k>}
-- ARGV 1 sid  2 tenant  3 priority 0..9  4 words needed "a,b"  5 not before (ms, 0: now)
--      6 reason to hold it, "" none  7 bell channel  8 epoch its log is in  9 user  10 project
--      11 type of agent  12 key of concurrency  13 first in line 0 | 1  14 words that it likes a worker to have
--      15 copy of its row, for who is told that it is taken
-- rings "ready 1 <sid>", or tells who offered, on channel <bell>:<holder>:
--      "taken <holder> <sid> <tenant> <user> <priority> <attempt> <ms> <epoch> <incarnation> <copy>"
-- returns {ok | again, set}
local sid, t, u, need, epoch = ARGV[1], ARGV[2], ARGV[9], ARGV[4], ARGV[8]
local there = call('HGET', I, sid)
if there then return {'again', string.match(there, '\n([^|]*)')} end

local f = table.concat({t, u, ARGV[10], ARGV[11], ARGV[12], ARGV[3], at, need, ARGV[14]}, '|')
-- with queue_turns.lua
-- with queue_taken.lua
if ARGV[6] == '' and ARGV[12] == '' and ARGV[13] == '0' and tonumber(ARGV[5]) <= now then
	local inc, holder, has = offered(need, ARGV[14])
	local names, attempt = names_of(t, u, ARGV[10], ARGV[11]), epoch + 1 .. ''
	-- Last of all whether who offers hears it: it is said before it is so.
	if inc and nobody_waits(inc, has) and all_open(names) and has_room(names) and
		call('PUBLISH', ARGV[7] .. ':' .. holder, table.concat({'taken', holder, sid, t, u, ARGV[3], attempt, at,
			epoch, inc, ARGV[15]}, ' ')) > 0 then
		take_turn(q .. ':v', t, STRIDE / (call('HGET', q .. ':weight', t) or 1), WIDE)
		take_turn(q .. ':v:' .. t, u, STRIDE, '')
		for i = 1, #names do call('SADD', K .. names[i], sid) end
		call('ZADD', q .. ':leasing', at, sid)
		call('ZADD', q .. ':w:' .. inc, at, sid)
		call('HSET', I, sid, f .. '\nleasing|' .. at .. '|' .. inc .. '|' .. attempt .. '|' .. epoch .. '||0||')
		return {'ok', 'leasing'}
	end
end

-- with queue_items.lua
-- with queue_tree.lua
-- Attempts go on from the epoch: after a loss of Redis none may have the number of one before it.
local h = {sid = sid, t = t, u = u, p = ARGV[3], need = need, by = at, a = epoch, e = epoch, c = '', inc = '',
	first = ARGV[13], lost = '', f = f, names = false, keyed = false, unsaved = false}
if ARGV[6] ~= '' then
	call('ZADD', q .. ':held', at, sid)
	save(h, 'held', ARGV[6])
elseif tonumber(ARGV[5]) > now then
	call('ZADD', q .. ':delayed', ARGV[5], sid)
	save(h, 'delayed', '')
else
	enter(h)
	call('PUBLISH', ARGV[7], 'ready 1 ' .. sid)
end
write_all()
return {'ok', h.set}
