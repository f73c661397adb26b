-- params: id, tenant id, project id, name, url, events (comma list), created by, webhooks of a tenant at most
-- returns: the id, if there is room
INSERT INTO webhooks (id, tenant_id, project_id, name, url, events, created_by)
SELECT $1::text, $2::text, $3::text, $4::text, $5::text, string_to_array($6::text, ','), $7::text
WHERE (SELECT count(*) FROM webhooks WHERE tenant_id = $2::text) < $8::bigint
RETURNING id
