-- params: id, payload, tenant id
-- returns: nothing; no row is affected unless the command was waiting
UPDATE commands SET payload = $2::text::jsonb
WHERE id = $1::text AND tenant_id = $3::text AND state = 'queued'
