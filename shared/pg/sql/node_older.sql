-- params: protocol
-- returns: how many nodes live that speak an older one
-- One that was not seen for half a minute is dead, or learns that it is not wanted when it wakes.
SELECT count(*) FROM nodes WHERE protocol < $1::integer AND seen_at > now() - interval '30 seconds'
