-- params: tenant id, session id
-- returns: nano usd that it and the others of its chain of retries have spent
SELECT coalesce(sum(l.nano_usd), 0)::bigint
FROM usage_ledger l
WHERE l.tenant_id = $1::text
  AND l.root_id = (SELECT coalesce(s.root_id, s.id) FROM sessions s
                   WHERE s.id = $2::text AND (s.tenant_id = $1::text) IS TRUE)
