-- node_report: what a node tells of itself, for whoever looks at all of them; those that have been silent are forgotten.
--
-- KEYS 1 {w}:nodes  what each said last, by its id  2 {w}:nodes:seen  when that was
-- ARGV 1 the node's id  2 what it says, "": it goes  3 milliseconds until it counts as silent
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
if ARGV[2] == '' then
	redis.call('HDEL', KEYS[1], ARGV[1])
	redis.call('ZREM', KEYS[2], ARGV[1])
else
	redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
	redis.call('ZADD', KEYS[2], now, ARGV[1])
end
for _, id in ipairs(redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', now - ARGV[3], 'LIMIT', 0, 64)) do
	redis.call('HDEL', KEYS[1], id)
	redis.call('ZREM', KEYS[2], id)
end
