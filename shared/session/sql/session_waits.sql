-- params: how many that wait are looked at, at most; rows
-- returns: tenant id, what for, sessions, seconds that the first of them waits; most sessions first
SELECT tenant_id, reason, count(*), greatest(0, extract(epoch FROM now() - min(since)))::bigint
FROM ((SELECT tenant_id, coalesce(queued_at, created_at) AS since,
              CASE WHEN queue_after IS NOT NULL AND after_met_at IS NULL THEN 'session'
                   WHEN not_before > now() THEN 'time'
                   ELSE 'turn' END AS reason
       FROM sessions
       WHERE state = 'queued'
       LIMIT $1::bigint)
      UNION ALL
      (SELECT tenant_id, min(asked_at), 'answer'
       FROM (SELECT tenant_id, session_id, asked_at FROM approvals WHERE state = 'open' LIMIT $1::bigint) asked
       GROUP BY tenant_id, session_id)) waiting
GROUP BY tenant_id, reason
ORDER BY count(*) DESC, tenant_id, reason
LIMIT $2::bigint
