-- queue_promote: delayed -> ready for those that are due, and forget what was done long ago; at
-- most 128 of each. Keys: see queue_submit.
--
-- KEYS 1 {q<k>}
-- ARGV 1 ms that done sessions are remembered  2 bell channel
-- returns {number promoted, ms until the next is due, "" none is delayed}
local q = KEYS[1]
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local at = string.format('%.0f', now)

local due = redis.call('ZRANGEBYSCORE', q .. ':delayed', '-inf', at, 'LIMIT', 0, 128)
for _, sid in ipairs(due) do
	local item = q .. ':i:' .. sid
	local h = redis.call('HMGET', item, 't', 'p', 'by')
	redis.call('ZREM', q .. ':delayed', sid)
	redis.call('ZADD', q .. ':ready', at, sid)
	redis.call('ZADD', q .. ':r:' .. h[1], string.format('%.0f', (9 - h[2]) * 1e13 + h[3]), sid)
	redis.call('ZADD', q .. ':tenants', 'NX', redis.call('GET', q .. ':pass') or '0', h[1])
	redis.call('HSET', item, 'set', 'ready', 'at', at, 'why', '')
end
if #due > 0 then redis.call('PUBLISH', ARGV[2], 'ready') end

local old = string.format('%.0f', now - ARGV[1])
for _, sid in ipairs(redis.call('ZRANGEBYSCORE', q .. ':done', '-inf', old, 'LIMIT', 0, 128)) do
	redis.call('ZREM', q .. ':done', sid)
	redis.call('DEL', q .. ':i:' .. sid)
end
local next = redis.call('ZRANGE', q .. ':delayed', 0, 0, 'WITHSCORES')
return {#due, next[2] and string.format('%.0f', math.max(0, next[2] - now)) or ''}
