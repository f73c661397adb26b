-- with queue_core.lua
-- with queue_paces.lua
-- queue_demand: what is ready, by class.
--
-- KEYS 1 {q<k>}
-- ARGV 1 first class to tell (from 0), 128 at most are told
-- returns {words needed, sessions ready, age of the oldest (ms), how long such sessions have been on
--          workers "ms|sessions", "" not known} ...
local rows, names = {}, {}
local classes = call('HGETALL', q .. ':ci')
for i = 1 + 2 * ARGV[1], math.min(#classes, 2 * ARGV[1] + 256), 2 do
	local tree = q .. ':ready:' .. classes[i]
	local oldest = call('ZRANGE', tree, 0, 0, 'WITHSCORES')
	rows[#rows + 1] = {classes[i + 1], call('ZCARD', tree),
		string.format('%.0f', math.max(0, now - (oldest[2] or now)))}
	names[#rows] = 'd|' .. classes[i + 1]
end
if #rows > 0 then
	local known = recall(names)
	for i, row in ipairs(rows) do row[4] = known[names[i]] or '' end
end
return rows
