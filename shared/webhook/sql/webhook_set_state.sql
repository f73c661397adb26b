-- params: id, tenant id, state
-- returns: the id, if it is there; one that becomes active begins anew
WITH gone AS (
    DELETE FROM webhook_endpoints WHERE endpoint = $1::text AND tenant_id = $2::text AND $3::text = 'active'
)
UPDATE webhooks SET state = $3::text, reason = '', updated_at = now()
WHERE id = $1::text AND tenant_id = $2::text
RETURNING id
