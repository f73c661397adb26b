-- params: none
-- returns: name, sha1, in name order
SELECT name, sha1 FROM schema_migrations ORDER BY name LIMIT 10000
