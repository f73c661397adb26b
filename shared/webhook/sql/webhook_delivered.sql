-- params: id, tenant id, attempts, status, how it went (JSON)
-- returns: nothing; one that somebody else has taken up again stays as it is
WITH told AS (
    UPDATE webhook_messages SET state = 'delivered', status = $4::integer, error = '', sending_until = NULL,
        ended_at = now(), tries = tries || $5::text::jsonb
    WHERE id = $1::text AND (tenant_id = $2::text) IS TRUE AND (state = 'waiting') IS TRUE AND attempts = $3::integer
    RETURNING endpoint
)
DELETE FROM webhook_endpoints p USING told WHERE p.endpoint = told.endpoint AND p.tenant_id = $2::text
