-- params: id, tenant id
-- returns: the id, if it was there; its messages go with it
WITH gone AS (
    DELETE FROM webhook_endpoints WHERE endpoint = $1::text AND tenant_id = $2::text
)
DELETE FROM webhooks WHERE id = $1::text AND tenant_id = $2::text
RETURNING id
