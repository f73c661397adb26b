-- params: tenant id, session id
-- returns: nano usd that it and the others of its chain of retries have spent
SELECT coalesce(sum(l.nano_usd), 0)::bigint
FROM sessions s JOIN usage_ledger l ON l.tenant_id = s.tenant_id AND l.root_id = coalesce(s.root_id, s.id)
WHERE (s.tenant_id = $1::text) IS TRUE AND s.id = $2::text
