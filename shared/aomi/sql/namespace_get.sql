-- params: tenant id, name
-- returns: a namespace, in the order of the columns of namespace_store.c
SELECT n.tenant_id, n.name, n.agent, n.is_open
FROM namespaces n WHERE n.tenant_id = $1::text AND n.name = $2::text
