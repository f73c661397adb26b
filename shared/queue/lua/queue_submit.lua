-- queue_submit: put a session in the queue, once.
--
-- Keys of shard k are made from KEYS[1] = {q<k>}, so all are in its slot:
--   :ready :delayed :held :leasing :leased :parked :done   zsets: a session is in exactly one of
--              them; scored by since when (ms), :delayed by when it is due
--   :i:<sid>   hash of a session: t tenant, p priority, need words, set, at since when, by its
--              age (ms), a attempt, e epoch of its log, inc incarnation, why reason, lost
--              incarnations "a,b,"
--   :r:<tenant>  zset of its ready sessions by priority, then age
--   :tenants   zset of tenants with something ready by pass (stride);  :pass that of the last turn
--   :w:<incarnation>  zset of what it has leasing or leased;  :p:<incarnation> of what is parked
--
-- KEYS 1 {q<k>}
-- ARGV 1 sid  2 tenant  3 priority 0..9  4 words needed "a,b"  5 not before (ms, 0: now)
--      6 reason to hold it, "" none  7 bell channel  8 epoch its log is in
-- returns {ok | again, set}
local q, sid, tenant = KEYS[1], ARGV[1], ARGV[2]
local item = q .. ':i:' .. sid
local there = redis.call('HGET', item, 'set')
if there then return {'again', there} end

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local at, score, set = string.format('%.0f', now), nil, 'ready'
if ARGV[6] ~= '' then
	set = 'held'
elseif tonumber(ARGV[5]) > now then
	set, score = 'delayed', ARGV[5]
else
	local order = string.format('%.0f', (9 - ARGV[3]) * 1e13 + now)
	redis.call('ZADD', q .. ':r:' .. tenant, order, sid)
	redis.call('ZADD', q .. ':tenants', 'NX', redis.call('GET', q .. ':pass') or '0', tenant)
	redis.call('PUBLISH', ARGV[7], 'ready')
end
redis.call('ZADD', q .. ':' .. set, score or at, sid)
redis.call('HSET', item, 't', tenant, 'p', ARGV[3], 'need', ARGV[4], 'set', set, 'at', at, 'by', at,
	'a', '0', 'e', ARGV[8], 'inc', '', 'why', ARGV[6], 'lost', '')
return {'ok', set}
