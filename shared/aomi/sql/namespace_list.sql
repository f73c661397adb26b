-- params: tenant id
-- returns: namespaces, in the order of the columns of namespace_store.c
SELECT n.tenant_id, n.name, n.agent, n.is_open
FROM namespaces n WHERE n.tenant_id = $1::text ORDER BY n.name LIMIT 1000
