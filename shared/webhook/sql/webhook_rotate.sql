-- params: id, tenant id
-- returns: the id, if it is there
UPDATE webhooks SET secret_n = secret_n + 1, rotated_at = now(), updated_at = now()
WHERE id = $1::text AND tenant_id = $2::text
RETURNING id
