-- params: tenant id, name, agent, is it open, who
-- returns: whether it is new
INSERT INTO namespaces (tenant_id, name, agent, is_open, created_by)
VALUES ($1::text, $2::text, $3::text::jsonb, $4::boolean, $5::text)
ON CONFLICT (tenant_id, name) DO UPDATE
SET agent = excluded.agent, is_open = excluded.is_open, updated_at = now()
RETURNING xmax = 0
