-- params: id, tenant id, project id, name, url, events (comma list)
-- returns: the id, if it is there; one that leads elsewhere begins anew
WITH gone AS (
    DELETE FROM webhook_endpoints p USING webhooks w
    WHERE p.endpoint = $1::text AND p.tenant_id = $2::text AND w.id = $1::text AND w.tenant_id = $2::text AND w.url <> $5::text
)
UPDATE webhooks SET project_id = $3::text, name = $4::text, url = $5::text, events = string_to_array($6::text, ','),
    updated_at = now()
WHERE id = $1::text AND tenant_id = $2::text
RETURNING id
