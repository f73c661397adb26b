-- params: tenant id, project id, name, sealed, by whom, most that a tenant may have
-- returns: a secret, in the order of the columns of secret_store.c; no row when there is no more room
INSERT INTO secrets AS s (tenant_id, project_id, name, sealed, created_by, updated_by)
SELECT $1::text, $2::text, $3::text, $4::bytea, $5::text, $5::text
WHERE (SELECT count(*) FROM secrets WHERE tenant_id = $1::text) < $6::bigint
   OR EXISTS (SELECT FROM secrets WHERE tenant_id = $1::text AND project_id = $2::text AND name = $3::text)
ON CONFLICT (tenant_id, project_id, name) DO UPDATE
SET sealed = excluded.sealed, updated_by = excluded.updated_by, updated_at = now()
RETURNING s.project_id, s.name, s.created_by, (extract(epoch FROM s.created_at) * 1000000)::bigint,
          s.updated_by, (extract(epoch FROM s.updated_at) * 1000000)::bigint,
          (extract(epoch FROM s.used_at) * 1000000)::bigint
