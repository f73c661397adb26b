-- with queue_core.lua
-- queue_opened: leasing -> leased for up to 64 sessions, whose logs are open. Every lease goes this way, and
-- nothing but its set and its epoch changes: the rest of its line is left as it is.
--
-- KEYS 1 {q<k>}
-- ARGV for each session: its sid, attempt it is about, "" whichever, epoch its log is in now, 0 as before
-- returns for each {ok | again, set} or {conflict, set} {missing}
local sids, results = {}, {}
for i = 1, #ARGV, 3 do sids[#sids + 1] = ARGV[i] end
local texts = call('HMGET', I, unpack(sids))
local left, came, lines = {'ZREM', q .. ':leasing'}, {'ZADD', q .. ':leased'}, {'HSET', I}
for i = 1, #sids do
	local sid, attempt, epoch = sids[i], ARGV[3 * i - 1], ARGV[3 * i]
	local head, set, mine, a, old, rest = string.match(texts[i] or '',
		'^([^\n]*\n)([^|]*)|[^|]*(|[^|]*|([^|]*)|)([^|]*)(|[^|]*|[^|]*|[^|]*|).*$')
	if not set then
		results[i] = {'missing'}
	elseif attempt ~= '' and attempt ~= a then
		results[i] = {'conflict', set}
	elseif set == 'leasing' then
		local n = #left
		left[n + 1] = sid
		came[2 * n - 1], came[2 * n] = at, sid
		lines[2 * n - 1], lines[2 * n] = sid, head .. 'leased|' .. at .. mine ..
			(epoch ~= '0' and epoch or old) .. rest
		results[i] = {'ok', 'leased'}
	else
		results[i] = {set == 'leased' and 'again' or 'conflict', set}
	end
end
if #left > 2 then
	call(unpack(left))
	call(unpack(came))
	call(unpack(lines))
end
return results
