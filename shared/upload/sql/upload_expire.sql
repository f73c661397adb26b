-- params: seconds since the last use, rows
-- returns: nothing
DELETE FROM uploads u USING (
    SELECT tenant_id, id FROM uploads WHERE used_at < now() - make_interval(secs => $1::bigint)
    ORDER BY used_at LIMIT $2::bigint) old
WHERE u.tenant_id = old.tenant_id AND u.id = old.id
  AND u.used_at < now() - make_interval(secs => $1::bigint) -- also of one that was in the middle of being used
