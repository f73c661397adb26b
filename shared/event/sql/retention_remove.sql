-- params: tenant, session, epoch, n
-- returns: segments removed
WITH gone AS (
    DELETE FROM log_segments
    WHERE session_id = $2::text AND (tenant_id = $1::text) IS TRUE AND last_n <= $4::bigint
    RETURNING 1),
mark AS (
    UPDATE sessions SET removed_epoch = $3::bigint, removed_n = $4::bigint
    WHERE id = $2::text AND (tenant_id = $1::text) IS TRUE AND removed_n < $4::bigint)
SELECT count(*) FROM gone
