-- generation_mark: the mark of this Redis's history. Whoever empties Redis removes it, so where it is missing,
-- or of another run id, another history has begun.
--
-- KEYS 1 {w}:generation  "<run id> <generation> <name of the history>", generation 0 while it is not known
-- ARGV 1 run id  2 name for a new history, or of the one that the generation is of
--      3 its generation, "0": not known, begin one if there is none
-- returns the mark; "" when the history of which the generation was told is over
local run, generation, name = string.match(redis.call('GET', KEYS[1]) or '', '^(%S+) (%d+) ?(%S*)$')
if run ~= ARGV[1] then
	if ARGV[3] ~= '0' then return '' end
	run, generation, name = ARGV[1], '0', ARGV[2]
elseif ARGV[3] ~= '0' then
	if name ~= ARGV[2] then return '' end
	generation = ARGV[3]
end
local mark = run .. ' ' .. generation .. (name ~= '' and ' ' .. name or '')
redis.call('SET', KEYS[1], mark)
return mark
