-- presence_tell: a node says who of its viewers came or went, or only that it lives; whoever calls also
-- takes away what nodes left that are silent. Published is only what changes for those who look: a
-- user in a role is shown from the first node that has it to the last.
--
--   {s:<sid>}:presence       hash  v version; "<role> <user>" -> "<nodes> <since ms> <name>"
--   {s:<sid>}:presence:nodes zset  node -> when it is silent for too long (ms)
--   {s:<sid>}:presence:of    zset  "<node> <role> <user>", all of score 0: in order of node
-- All three live as long: a call that has a node to speak for prolongs all of them, or none.
--
-- KEYS 1 {s:<sid>}:presence  2 {s:<sid>}:presence:nodes  3 {s:<sid>}:presence:of
-- ARGV 1 node, "" none: only look  2 it is silent after (ms)  3 join | leave | renew
--      4 users shown at most  then of join and leave, at most 64: role, user, name
-- publishes on the channel named as KEYS 1: version LF, then for each change
--      + | -, role, since, bytes of the user, bytes of the name LF user name
-- returns {ok, version}, or {lost} for a renewal of a node whose viewers were taken away: join again
local shown, nodes, of = KEYS[1], KEYS[2], KEYS[3]
local node, verb = ARGV[1], ARGV[3]
local function text(n) return string.format('%.0f', n) end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

-- What nearly every call is: a sign of life where nothing has changed.
if verb == 'renew' and node ~= '' then
	if not redis.call('ZSCORE', nodes, node) then return {'lost'} end
	redis.call('ZADD', nodes, text(now + ARGV[2]), node)
	if redis.call('ZCOUNT', nodes, '-inf', text(now)) == 0 and redis.call('PTTL', shown) > 2 * ARGV[2] then
		return {'ok', redis.call('HGET', shown, 'v') or '0'}
	end
end

local news = {}

local function tell(sign, role, user, since, name)
	news[#news + 1] = sign .. ' ' .. role .. ' ' .. since .. ' ' .. #user .. ' ' .. #name .. '\n'
		.. user .. name
end

local function look(what)
	return string.match(redis.call('HGET', shown, what) or '', '^(%d+) (%d+) (.*)$')
end

local function come(role, user, name)
	local what = role .. ' ' .. user
	local count, since, shown_name = look(what)
	if not count and redis.call('HLEN', shown) > tonumber(ARGV[4]) then return end
	if redis.call('ZADD', of, 0, node .. ' ' .. what) == 0 then return end
	if count then
		redis.call('HSET', shown, what, text(count + 1) .. ' ' .. since .. ' ' .. shown_name)
	else
		redis.call('HSET', shown, what, '1 ' .. text(now) .. ' ' .. name)
		tell('+', role, user, text(now), name)
	end
end

local function go(whose, what)
	if redis.call('ZREM', of, whose .. ' ' .. what) == 0 then return end
	local count, since, name = look(what)
	if count and tonumber(count) > 1 then
		redis.call('HSET', shown, what, text(count - 1) .. ' ' .. since .. ' ' .. name)
	elseif count then
		local role, user = string.match(what, '^(%S+) (.*)$')
		redis.call('HDEL', shown, what)
		tell('-', role, user, since, name)
	end
end

local function left_of(whose, most)
	return redis.call('ZRANGEBYLEX', of, '[' .. whose .. ' ', '(' .. whose .. '!', 'LIMIT', 0, most)
end

if node ~= '' and verb ~= 'renew' then
	redis.call('ZADD', nodes, text(now + ARGV[2]), node)
	for i = 5, #ARGV, 3 do
		if verb == 'join' then
			come(ARGV[i], ARGV[i + 1], ARGV[i + 2])
		else
			go(node, ARGV[i] .. ' ' .. ARGV[i + 1])
		end
	end
	if #left_of(node, 1) == 0 then redis.call('ZREM', nodes, node) end
end

local room = 64
for _, silent in ipairs(redis.call('ZRANGEBYSCORE', nodes, '-inf', text(now), 'LIMIT', 0, 8)) do
	local left = room > 0 and left_of(silent, room) or {}
	for _, member in ipairs(left) do go(silent, string.sub(member, #silent + 2)) end
	room = room - #left
	if room > 0 then redis.call('ZREM', nodes, silent) end
end

local version = redis.call('HGET', shown, 'v')
if #news > 0 then
	-- After the set was gone for a while a version must not come again.
	version = text(math.max(tonumber(version or '0') + 1, version and 0 or now * 1000))
	redis.call('HSET', shown, 'v', version)
	redis.call('PUBLISH', shown, version .. '\n' .. table.concat(news))
end
if node ~= '' then
	for _, key in ipairs(KEYS) do redis.call('PEXPIRE', key, text(10 * ARGV[2])) end
end
return {'ok', version or '0'}
