-- params: seconds for tenants that say nothing (0: for ever), segments of a tenant
-- returns: tenant, session, epoch and n of the last entry that is too old
SELECT g.tenant_id, g.session_id, max(g.last_epoch), max(g.last_n)
-- (the time beside the tenant: an index ends at a time that is there, not at one that is worked out)
FROM (SELECT id, now() - make_interval(secs => coalesce(retention_s, $1::bigint)) AS old
      FROM tenants
      WHERE coalesce(retention_s, $1::bigint) > 0
      OFFSET 0) t
CROSS JOIN LATERAL (
    SELECT tenant_id, session_id, last_epoch, last_n
    FROM log_segments
    WHERE tenant_id = t.id AND tenant_id <> ''
      AND last_ts < t.old
    ORDER BY last_ts
    LIMIT $2::bigint) g
GROUP BY g.tenant_id, g.session_id
LIMIT $2::bigint
