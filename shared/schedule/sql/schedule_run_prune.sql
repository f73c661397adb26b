-- params: id, how many stay, tenant id
-- returns: nothing
DELETE FROM schedule_runs
WHERE schedule_id = $1::text AND tenant_id = $3::text
  AND at < (SELECT at FROM schedule_runs
            WHERE schedule_id = $1::text AND tenant_id = $3::text
            ORDER BY at DESC OFFSET $2::bigint - 1 LIMIT 1)
