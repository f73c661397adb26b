-- params: name, sha1
-- returns: nothing
INSERT INTO schema_migrations (name, sha1) VALUES ($1::text, $2::text)
