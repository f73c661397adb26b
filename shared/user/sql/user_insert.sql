-- params: id, tenant id, kind, name, email
-- returns: nothing
INSERT INTO users (id, home_id, kind, name, email)
VALUES ($1::text, $2::text, $3::text, $4::text, $5::text)
