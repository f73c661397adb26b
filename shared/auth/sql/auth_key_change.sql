-- params: tenant id, id, name (NULL: it stays), change namespaces, namespaces (comma list; NULL: all)
-- returns: nothing; no row is affected when there is none that is not revoked
UPDATE api_keys
SET name = coalesce($3::text, name),
    namespaces = CASE WHEN $4::boolean THEN string_to_array($5::text, ',') ELSE namespaces END
WHERE tenant_id = $1::text AND id = $2::text AND revoked_at IS NULL
