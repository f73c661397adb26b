-- params: tenant id, session id, before this n, at (us), which: those that are held, those that are not, or all (NULL)
-- returns: nothing; nobody waits for an answer to them any more
UPDATE approvals
SET state = 'withdrawn', held = false,
    answered_at = 'epoch'::timestamptz + $4::bigint * interval '1 microsecond'
WHERE (tenant_id = $1::text) IS TRUE AND session_id = $2::text AND (state = 'open') IS TRUE AND n < $3::bigint
  AND ($5::boolean IS NULL OR held = $5::boolean)
