-- params: name
-- returns: a namespace, in the order of the columns of namespace_store.c
-- across tenants: who has no key has no tenant yet
SELECT n.tenant_id, n.name, n.agent, n.is_open
FROM namespaces n JOIN tenants t ON t.id = n.tenant_id
WHERE n.is_open AND n.name = $1::text AND t.disabled_at IS NULL
