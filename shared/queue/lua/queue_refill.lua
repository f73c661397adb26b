-- with queue_core.lua
-- with queue_items.lua
-- with queue_turns.lua
-- with queue_tree.lua
-- queue_refill: after a loss of Redis put sessions in the queue again, as old as they are.
--
-- KEYS 1 {q<k>}
-- ARGV 1 bell channel  2 number that attempts go on from: none before the loss was greater
--      then for each session: its sid, first in line 0 | 1, not before (ms, 0: now), reason to hold it, ""
--      none, what it is submitted with as queue_core.lua has it
-- returns how many were not there
local added, ready, sids = 0, 0, {}
for i = 3, #ARGV, 5 do sids[#sids + 1] = ARGV[i] end
know_all(sids)
for i = 3, #ARGV, 5 do
	local sid, hold = ARGV[i], ARGV[i + 3]
	if not item_of(sid) then
		know(sid, ARGV[i + 4] .. '\n|||' .. ARGV[2] .. '|0||' .. ARGV[i + 1] .. '||')
		local h = item_of(sid)
		added = added + 1
		if hold ~= '' then
			later('ZADD', q .. ':held', sid, at)
			save(h, 'held', hold)
		elseif tonumber(ARGV[i + 2]) > now then
			later('ZADD', q .. ':delayed', sid, ARGV[i + 2])
			save(h, 'delayed', '')
		else
			enter(h)
			ready = ready + 1
		end
	end
end
write_all()
if ready > 0 then call('PUBLISH', ARGV[1], 'ready ' .. ready) end
return added
