-- params: seconds for tenants that say nothing (0: for ever), rows
-- returns: tenant and task of the sessions that were removed
DELETE FROM sessions s
USING (SELECT e.id
       -- (the time beside the tenant: an index ends at a time that is there, not at one that is worked out)
       FROM (SELECT id, now() - make_interval(secs => coalesce(retention_s, $1::bigint)) AS old
             FROM tenants
             WHERE coalesce(retention_s, $1::bigint) > 0
             OFFSET 0) t
       CROSS JOIN LATERAL (
           SELECT o.id
           FROM sessions o
           WHERE o.tenant_id = t.id AND o.archived_at IS NOT NULL
             AND o.ended_at < t.old
             AND NOT EXISTS (SELECT FROM log_segments g WHERE g.session_id = o.id)
           ORDER BY o.ended_at
           LIMIT $2::bigint) e
       LIMIT $2::bigint) d
WHERE s.id = d.id
RETURNING s.tenant_id, s.task_id
