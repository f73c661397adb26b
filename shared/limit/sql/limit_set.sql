-- params: tenant ('': every one), kind, name ('': the tenant itself), value (NULL: none)
-- returns: its version, if there is such a tenant; versions are committed in their order
WITH turn AS MATERIALIZED (SELECT pg_advisory_xact_lock(hashtextextended('limits', 0)))
INSERT INTO limits (tenant_id, kind, name, value, version)
SELECT $1::text, $2::text, $3::text, $4::bigint, nextval('limit_versions')
FROM turn
WHERE $1::text = '' OR EXISTS (SELECT FROM tenants t WHERE t.id = $1::text)
ON CONFLICT (tenant_id, kind, name) DO UPDATE SET value = EXCLUDED.value, version = EXCLUDED.version
RETURNING version
