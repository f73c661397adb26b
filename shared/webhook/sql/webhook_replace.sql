-- params: id, tenant id, project id, name, url, events (comma list)
-- returns: the id, if it is there
UPDATE webhooks SET project_id = $3::text, name = $4::text, url = $5::text, events = string_to_array($6::text, ','),
    updated_at = now()
WHERE id = $1::text AND tenant_id = $2::text
RETURNING id
