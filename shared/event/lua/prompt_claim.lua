-- prompt_claim: whose a prompt is: its clients', who may still change it, or its agent's
--
-- KEYS 1 {s:<sid>}:prompt:<id>, the claim
-- ARGV 1 "take" for the agent | "change" by a client  2 version: that the worker has, or the new one; "0": it is taken back
--      3 ms to remember it
-- returns 1 when it is so; 0 when it is the agent's already, or was taken back; for take -1 when there is a newer version
local now = redis.call('GET', KEYS[1])

if ARGV[1] == 'change' then
	if now == 'agent' then return 0 end
	redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
	return 1
end
if now == '0' then return 0 end
if now and now ~= 'agent' and tonumber(now) > tonumber(ARGV[2]) then return -1 end
redis.call('SET', KEYS[1], 'agent', 'PX', ARGV[3])
return 1
