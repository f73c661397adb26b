-- params: id, tenant id, name
-- returns: nothing; a project with that id or name stays as it is
INSERT INTO projects (id, tenant_id, name)
VALUES ($1::text, $2::text, $3::text)
ON CONFLICT DO NOTHING
