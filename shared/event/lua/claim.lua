-- claim: take, keep or give back a claim
--
-- KEYS 1 {<subject>}:<duty>, the claim
-- ARGV 1 holder  2 ms from now, "0" gives it back
-- returns 1, or 0 when somebody else holds it
local holder = redis.call('GET', KEYS[1])

if holder and holder ~= ARGV[1] then return 0 end
if ARGV[2] ~= '0' then
	redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
elseif holder then
	redis.call('DEL', KEYS[1])
end
return 1
