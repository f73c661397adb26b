-- planned: each time, for its parameters
-- params: chain (NULL: all), before seq (NULL: from the newest), actor, action (also a beginning: "key."), object, outcome, since, until (us), rows; NULL: any
-- returns: the columns of audit_read; newest first
SELECT seq, tenant_id, n, (extract(epoch FROM at) * 1000000)::bigint, actor_kind, actor, actor_name,
       address, agent, action, object, outcome, request_id, detail, prev_hash, hash
FROM audit
WHERE ($1::text IS NULL OR tenant_id = $1::text)
  AND ($2::bigint IS NULL OR seq < $2::bigint)
  AND ($3::text IS NULL OR actor = $3::text)
  AND ($4::text IS NULL OR action = $4::text OR (right($4::text, 1) = '.' AND starts_with(action, $4::text)))
  AND ($5::text IS NULL OR object = $5::text)
  AND ($6::text IS NULL OR outcome = $6::text)
  AND ($7::bigint IS NULL OR at >= timestamptz 'epoch' + $7::bigint * interval '1 microsecond')
  AND ($8::bigint IS NULL OR at < timestamptz 'epoch' + $8::bigint * interval '1 microsecond')
ORDER BY seq DESC
LIMIT $9::bigint
