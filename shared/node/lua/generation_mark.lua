-- generation_mark: the mark of this Redis's history. Whoever empties Redis removes it, so where it is missing,
-- or is of another server, or of what this one was before it was demoted and promoted again (redis_history()),
-- another history has begun; so it has when the queue gets more shards, and where what is marked is of a version
-- whose queue has other keys.
--
-- KEYS 1 {w}:generation  "<server> <generation> <shards> <since> <name of the history>", generation 0 while it
--      is not known; since: the first generation since there was no mark
-- ARGV 1 server  2 name for a new history, or of the one that the generation is of
--      3 its generation, "0": not known, begin one if there is none  4 shards
-- returns the mark; "" when the history of which the generation was told is over
local old = redis.call('GET', KEYS[1])
local run, generation, shards, since, name = string.match(old or '', '^(%S+) (%d+) (%d+) (%d+) ?(%S*)$')
if run ~= ARGV[1] or tonumber(shards) < tonumber(ARGV[4]) then
	if ARGV[3] ~= '0' then return '' end
	run, generation, name, shards = ARGV[1], '0', ARGV[2], ARGV[4]
	since = since or (old and '1' or '0')
elseif ARGV[3] ~= '0' then
	if name ~= ARGV[2] then return '' end
	generation = ARGV[3]
	if since == '0' then since = generation end
end
local mark = run .. ' ' .. generation .. ' ' .. shards .. ' ' .. since .. (name ~= '' and ' ' .. name or '')
redis.call('SET', KEYS[1], mark)
return mark
