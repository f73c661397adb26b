-- queue_core: what all scripts of a shard have in common. Its other parts are queue_items, queue_limits,
-- queue_gates, queue_turns, queue_taken, queue_tree, queue_paces and queue_waits; each needs none but some of
-- those named before it, and stands where a script says "-- with" it, behind these. A closure is made at every call
-- of a script, and looks for what it captures from the last local on: so a script is made of what it needs, and what
-- it seldom needs stands behind what it does mostly.
--
-- Keys of shard k are made from KEYS[1] = {q<k>}, so all are in its slot:
--   :delayed :held :leasing :leased :parked :done   zsets, and a tree for what is ready: a session is
--              in exactly one of them; scored by since when (ms), :delayed by when it is due
--   :i         hash sid -> what it was submitted with, a line
--              "tenant|user|project|agent|key|priority|age (ms)|words|words that it likes", and
--              how it is now "set|since (ms)|incarnation|attempt|epoch of its log|class while ready|first
--              0 or 1|lost incarnations "a,b,"|reason"
--   :w:<incarnation>  zset of what it has leasing or leased;  :p:<incarnation> of what is parked, by
--              since when, or 0 when it cannot be asked to leave;
--   :n:<incarnation> of what is parked until another session has ended: it takes no place, or those
--              it waits for could find none;
--   :back:<incarnation>  of what is parked and waits for a slot to go on;
--   :wait:<incarnation>  of what is delayed in the hope of that worker
-- What is ready is a tree for each class, which is all sessions that need the same words:
--   :cn hash words -> class, :ci hash class -> words, :seq hash class: the last number given
--   :ready:<class> zset of its sessions by age
--   :T:<class> zset of tenants by pass;  :U:<class>:<tenant> of users by pass;
--   :r:<class>:<tenant>:<user> zset of sessions, the first to be served first
-- Tenants, and users within one, take turns (stride). A pass in a tree may be behind the true one:
--   :v hash tenant -> "pass|ms of its last turn", '*' -> that of the last turn of all;
--   :v:<tenant> the same of its users;  :weight hash tenant -> weight
-- Limits count leases that live; a name is t:<tenant>, u:<tenant>:<user>, p:<tenant>:<project>,
-- a:<tenant>:<type>, c:<tenant>:<key>:
--   :limit hash name, or "u:*" for all of a kind -> most at a time;  :k:<name> set of its leases
--   :offer hash of what a scheduler offers to what comes while nobody waits (queue_offer): "till" (ms), "holder", which
--      of them, "n", and 1 to n -> "incarnation|slots|places|,words it has,|,it holds,"
--   :counted 1 once a limit of a kind p or a was set: before that these are not counted;  :recount
--      "<set> <rank>" while the leases from before that are being counted, the newest of a set first
--   :b:<name> zset of sessions that are held until there is room;  :ft:<tenant> :fu:<tenant>:<user>
--   zsets of classes in which a full tenant or user has stepped back;  :waits zset of names for
--   which somebody waits, by when it was looked at
-- What else keeps sessions from starting, by the names that limits have; leases that live go on:
--   :gate hash name -> "<kind>|until (ms)|sid on trial|until that is waited for (ms)|starts that went
--      well|more". Kind breaker, of a:<tenant>:<type>: nothing starts until then, from then on one at a
--      time, on trial; more: for how long it opened (ms). Kind budget, of t: u: p: nothing starts until
--      then (0: until it is gone); more: its id
--   :fails:<name> zset of starts that failed, by when, until a breaker opens
-- What was seen of starts and of leases, for estimates only; what is not in the hash of this half
-- hour may be in that of the one before, and whoever starts again is learned again:
--   :pace:<half hour> hash <words>, <words>|<tenant>, <words>|<tenant>|<user> ->
--      "ms of the last start|1 while more are ready|starts seen|mean ms between them|variance|ms until
--      when starts were so frequent that only those of <words> were written down";
--      d|<words>, d|<words>|<tenant> -> "ms on workers|sessions that ended"
local q = KEYS[1]
local call = redis.call
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local at = string.format('%.0f', now)
local STRIDE, CREDIT = 1000, 5 -- of turns, see queue_turns
local I, K = q .. ':i', q .. ':k:'
-- A hash with a value as long as this is a table from the first field on; else one of up to 128 tenants
-- would be read from its beginning for each of them.
local WIDE = '                                                                '

local function fits(need, has)
	for word in string.gmatch(need, '[^,]+') do
		if not string.find(has, ',' .. word .. ',', 1, true) then return false end
	end
	return true
end
