-- params: chain, after n, rows
-- returns: seq, chain, n, at (us), actor kind, actor, actor name, address, agent, action, object, outcome, request id, detail, prev hash, hash; in order
SELECT seq, tenant_id, n, (extract(epoch FROM at) * 1000000)::bigint, actor_kind, actor, actor_name,
       address, agent, action, object, outcome, request_id, detail, prev_hash, hash
FROM audit
WHERE tenant_id = $1::text AND n > $2::bigint
ORDER BY n
LIMIT $3::bigint
