-- params: id, ms
-- returns: nothing
-- It finishes what it began for that long, and then counts as dead.
UPDATE nodes SET seen_at = now() - interval '30 seconds' + $2::bigint * interval '1 millisecond'
WHERE id = $1::text
