-- params: id, tenant id, name
-- returns: nothing
INSERT INTO projects (id, tenant_id, name) VALUES ($1::text, $2::text, $3::text)
