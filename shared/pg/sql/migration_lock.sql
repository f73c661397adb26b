-- params: none
-- returns: one row, once no other migration runs
-- The lock and the lifted limit end with the transaction.
SELECT set_config('statement_timeout', '0', true), pg_advisory_xact_lock(7381027459364016)
