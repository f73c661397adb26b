-- ticket_issue: keep a ticket for its time, unless its key has had too many within a minute.
--
-- KEYS 1 {k:<key>}:ticket:<hash>  2 {k:<key>}:tickets, how many within the minute
-- ARGV 1 grant  2 its life (ms)  3 most in a minute, 0: any number
-- returns 1, or 0: too many
local count = redis.call('INCR', KEYS[2])
if count == 1 then redis.call('PEXPIRE', KEYS[2], 60000) end
if tonumber(ARGV[3]) > 0 and count > tonumber(ARGV[3]) then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1
