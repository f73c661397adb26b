-- params: id, name
-- returns: nothing; a tenant with that id or name stays as it is
INSERT INTO tenants (id, name)
VALUES ($1::text, $2::text)
ON CONFLICT DO NOTHING
