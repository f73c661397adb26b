-- params: tenant id
-- returns: one row, when nobody else counts or changes the contents of this tenant until the commit
SELECT pg_advisory_xact_lock(hashtextextended('uploads ' || $1::text, 0))
