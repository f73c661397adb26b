-- params: id, name
-- returns: nothing
INSERT INTO tenants (id, name) VALUES ($1::text, $2::text)
