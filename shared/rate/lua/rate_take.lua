-- rate_take: take from several limits of one slot, from all or from none (rate/gcra.h).
--
-- KEYS {r:<subject>}..., one of each limit: when all that was taken is paid for (us)
-- ARGV of each key: 1 count  2 period (us)  3 burst  4 needed  5 wanted
-- returns {now (us), then of each key: granted, left, until reset (us), until retry (us)}
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local ceil, floor, min, max = math.ceil, math.floor, math.min, math.max
local function text(n) return string.format('%.0f', n) end

local paid = redis.call('MGET', unpack(KEYS))
local limits, fits = {}, true
for i = 1, #KEYS do
	local a = (i - 1) * 5
	local l = { count = tonumber(ARGV[a + 1]), period = tonumber(ARGV[a + 2]), burst = tonumber(ARGV[a + 3]) }
	l.need = min(tonumber(ARGV[a + 4]), l.burst)
	l.want = max(tonumber(ARGV[a + 5]), l.need)
	l.whole = ceil(l.burst * l.period / l.count)
	l.owed = min(max(tonumber(paid[i] or '0') - now, 0), l.whole)
	l.there = min(floor((l.whole - l.owed) * l.count / l.period), l.burst)
	fits = fits and l.there >= l.need
	limits[i] = l
end
local out = { now }
for i, l in ipairs(limits) do
	local granted, retry = 0, 0
	if fits then
		granted = min(l.want, l.there)
		l.owed = l.owed + ceil(granted * l.period / l.count)
	elseif l.there < l.need then
		retry = ceil(l.need * l.period / l.count) - (l.whole - l.owed)
	end
	if granted > 0 then
		-- Without a debt there is nothing to remember.
		redis.call('SET', KEYS[i], text(now + l.owed), 'PX', text(ceil(l.owed / 1000) + 1))
	end
	out[#out + 1] = granted
	out[#out + 1] = min(floor((l.whole - l.owed) * l.count / l.period), l.burst)
	out[#out + 1] = l.owed
	out[#out + 1] = retry
end
return out
