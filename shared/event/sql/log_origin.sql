-- params: tenant, session
-- returns: state, highest epoch known, epoch and n of the last archived entry (0, 0: none)
SELECT s.state,
       greatest(s.epoch, coalesce((SELECT max(e.epoch) FROM session_epochs e
                                   WHERE e.session_id = s.id), 0), coalesce(g.last_epoch, 0)),
       coalesce(g.last_epoch, 0), coalesce(g.last_n, 0)
FROM sessions s
LEFT JOIN LATERAL (SELECT last_epoch, last_n FROM log_segments
                   WHERE session_id = s.id ORDER BY last_n DESC LIMIT 1) g ON true
WHERE s.id = $2::text AND s.tenant_id = $1::text
