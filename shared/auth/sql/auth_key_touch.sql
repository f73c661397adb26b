-- params: ids (comma list)
-- returns: nothing; notes the uses at most once a minute
UPDATE api_keys SET last_used_at = now()
WHERE id = ANY (string_to_array($1::text, ','))
  AND (last_used_at IS NULL OR last_used_at < now() - interval '1 minute')
