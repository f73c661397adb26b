-- params: tenant, session
-- returns: state, highest epoch known, epoch and n of the last archived entry, also when retention has
--          removed it (0, 0: none)
SELECT s.state,
       greatest(s.epoch, coalesce((SELECT max(e.epoch) FROM session_epochs e
                                   WHERE e.session_id = s.id), 0), a.epoch),
       a.epoch, a.n
FROM sessions s
CROSS JOIN LATERAL (SELECT last_epoch AS epoch, last_n AS n FROM log_segments
                    WHERE session_id = s.id
                    UNION ALL SELECT s.removed_epoch, s.removed_n
                    ORDER BY n DESC LIMIT 1) a
WHERE s.id = $2::text AND (s.tenant_id = $1::text) IS TRUE
