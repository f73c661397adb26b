-- params: id, epoch, tenant id
-- returns: nothing; no row is affected unless the command was waiting, or started in this epoch
UPDATE commands SET
    state = 'started',
    epoch = $2::bigint,
    started_at = coalesce(started_at, now())
WHERE id = $1::text AND tenant_id = $3::text
  AND (state = 'queued' OR (state = 'started' AND epoch = $2::bigint))
