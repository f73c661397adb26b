-- params: none
-- returns: one row; until the transaction ends nobody else makes or retires keys
SELECT pg_advisory_xact_lock(7305, 1)
