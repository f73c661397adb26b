-- params: tenant id
-- returns: the number of the new secret
INSERT INTO webhook_task_secrets AS s (tenant_id, secret_n) VALUES ($1::text, 2)
ON CONFLICT (tenant_id) DO UPDATE SET secret_n = s.secret_n + 1, rotated_at = now()
RETURNING secret_n
