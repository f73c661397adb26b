-- with queue_core.lua
-- queue_flag: which sessions of a class are to be told that no worker can run them, or that one can
-- again. A class is told in episodes: :flag hash class -> "episode|told of ready ones this old (ms)|
-- told the end of ready ones this old"; what is older was told, and is told its end when one fits.
--
-- KEYS 1 {q<k>}
-- ARGV 1 words needed  2 no worker fits 1 | 0  then of what was told: 3 its episode  4 through which age
-- returns {} or {class, episode, through which age the following are, sid, tenant ...}
local c = call('HGET', q .. ':cn', ARGV[1])
if not c then return {} end
local function read()
	local episode, told, over = string.match(call('HGET', q .. ':flag', c) or '1|0|0',
		'^([^|]+)|([^|]+)|([^|]+)$')
	return tonumber(episode), tonumber(told), tonumber(over)
end
local function write(episode, told, over)
	call('HSET', q .. ':flag', c, string.format('%.0f|%.0f|%.0f', episode, told, over))
end

local episode, told, over = read()
local unfit = ARGV[2] == '1'
if ARGV[3] then
	if tonumber(ARGV[3]) ~= episode then return {} end
	if unfit then told = math.max(told, tonumber(ARGV[4])) else
		over = math.max(over, tonumber(ARGV[4]))
	end
	write(episode, told, over)
end
if unfit and over > 0 then
	episode, told, over = episode + 1, 0, 0
	write(episode, told, over)
end
if not unfit and told == 0 then return {} end

local from, to = '(' .. string.format('%.0f', unfit and told or over), '+inf'
if not unfit then to = string.format('%.0f', told) end
local tree = q .. ':ready:' .. c
local found = call('ZRANGEBYSCORE', tree, from, to, 'WITHSCORES', 'LIMIT', 0, 32)
if #found == 0 then
	if not unfit then write(episode + 1, 0, 0) end
	return {}
end
-- All of an age, or none.
local last = found[#found]
local rows = {c, episode, last}
local sids = call('ZRANGEBYSCORE', tree, from, last, 'LIMIT', 0, 256)
local texts = call('HMGET', I, unpack(sids))
for i, sid in ipairs(sids) do
	rows[#rows + 1] = sid
	rows[#rows + 1] = string.match(texts[i], '^[^|]*')
end
return rows
