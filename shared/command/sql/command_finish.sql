-- params: id, state, result, tenant id
-- returns: nothing; no row is affected when it was finished before
UPDATE commands SET state = $2::text, result = $3::text::jsonb, finished_at = now()
WHERE id = $1::text AND tenant_id = $4::text AND state IN ('queued', 'started')
