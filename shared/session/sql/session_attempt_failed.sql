-- params: id, which attempt
-- returns: nothing
UPDATE sessions SET failures = greatest(failures, $2::integer)
WHERE id = $1::text
