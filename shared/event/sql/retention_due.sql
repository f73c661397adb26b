-- params: seconds for tenants that say nothing (0: for ever), segments of a tenant
-- returns: tenant, session, epoch and n of the last entry that is too old
SELECT g.tenant_id, g.session_id, max(g.last_epoch), max(g.last_n)
FROM tenants t
CROSS JOIN LATERAL (
    SELECT tenant_id, session_id, last_epoch, last_n
    FROM log_segments
    WHERE tenant_id = t.id AND tenant_id <> ''
      AND last_ts < now() - make_interval(secs => coalesce(t.retention_s, $1::bigint))
    ORDER BY last_ts
    LIMIT $2::bigint) g
WHERE coalesce(t.retention_s, $1::bigint) > 0
GROUP BY g.tenant_id, g.session_id
LIMIT $2::bigint
