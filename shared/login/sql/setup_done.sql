-- params: hash
-- returns: a row: whoever gets it is the first
UPDATE setup SET done_at = now()
WHERE hash = $1::bytea AND done_at IS NULL AND NOT EXISTS (SELECT 1 FROM users WHERE system)
RETURNING one
