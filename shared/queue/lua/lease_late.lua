-- lease_late: which of these incarnations were lost though their workers lived. Keys: see lease_renew.
--
-- KEYS 1 {w}
-- ARGV incarnations
-- returns how many
local late = 0
for _, inc in ipairs(ARGV) do
	if redis.call('ZSCORE', KEYS[1] .. ':late', inc) then late = late + 1 end
end
return late
