-- queue_turns: whose turn it is.

local HALF_LIFE_MS = 600000

-- The pass with which somebody takes part again, and that of the last turn of all, of what :v has of both:
-- what was used before, more or less than others, weighs half as much after each half-life; and of the turns
-- that were not taken no more than CREDIT are saved. Whole numbers are cheaper, and a turn has STRIDE of them.
local function pass_in_turn(known)
	local all = tonumber(known[2] and string.match(known[2], '^[^|]+') or '0')
	if not known[1] then return all, all end
	local pass, when = string.match(known[1], '^([^|]+)|(.+)$')
	local ahead = math.max(pass - all, -CREDIT * STRIDE)
	return math.floor(all + ahead * 0.5 ^ (math.max(0, now - when) / HALF_LIFE_MS) + 0.5), all
end
