-- params: version, rows
-- returns: what was changed after it, in that order: tenant, kind, name, value (NULL: none), version
SELECT tenant_id, kind, name, value, version
FROM limits
WHERE version > $1::bigint
ORDER BY version
LIMIT $2::bigint
