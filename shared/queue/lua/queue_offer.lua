-- with queue_core.lua
-- queue_offer: workers with room are offered to what comes while nobody waits (queue_submit), for a while. One
-- scheduler's offer stands at a time; it is another's once it is over.
--
-- KEYS 1 {q<k>}
-- ARGV 1 holder  2 for how long (ms)  then for each worker: incarnation, slots, sessions that may reside on it,
--      words it has ",a,b,", words it holds ",c,", how many more than now it may be given here, "" as slots say
-- returns 1, or 0: another's stands
local key, n = q .. ':offer', (#ARGV - 2) / 6
local fields, offers = {'till', 'holder', 'n'}, {}
for i = 1, n do
	local inc, slots, places, has, holds, more = unpack(ARGV, 6 * i - 3, 6 * i + 2)
	if more ~= '' then slots = math.min(slots, call('ZCARD', q .. ':w:' .. inc) + more) end
	fields[3 + i], offers[i] = i, table.concat({inc, slots, places, has, holds}, '|')
end
local known = call('HMGET', key, unpack(fields))
if known[1] and known[2] ~= ARGV[1] and tonumber(known[1]) >= now then return 0 end
if n == 0 then
	call('DEL', key)
	return 1
end
local same = known[2] == ARGV[1] and known[3] == n .. ''
for i = 1, n do same = same and known[3 + i] == offers[i] end
local words = {'HSET', key, 'till', string.format('%.0f', now + ARGV[2])}
if not same then
	call('DEL', key)
	words[5], words[6], words[7], words[8] = 'holder', ARGV[1], 'n', n
	for i = 1, n do words[7 + 2 * i], words[8 + 2 * i] = i, offers[i] end
end
call(unpack(words))
return 1
