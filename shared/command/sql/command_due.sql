-- params: session id after, seq after, milliseconds since creation, rows
-- returns: the columns of command_open, the session's state, the epoch of its newest lease or requeue; those not finished, of all sessions
SELECT c.id, c.tenant_id, c.session_id, c.kind, c.payload, c.state, c.seq, c.epoch, c.created_by,
       (extract(epoch FROM c.created_at) * 1000000)::bigint, s.state,
       (SELECT coalesce(max(e.epoch), 0) FROM session_epochs e
        WHERE e.session_id = s.id AND e.cause IN ('lease', 'requeue'))
FROM commands c JOIN sessions s ON s.id = c.session_id
WHERE c.state IN ('queued', 'started') AND (c.session_id, c.seq) > ($1::text, $2::bigint)
  AND c.created_at <= now() - $3::bigint * interval '1 millisecond'
ORDER BY c.session_id, c.seq
LIMIT $4::bigint
