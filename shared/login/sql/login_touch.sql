-- params: ids (comma list; of keys and of logins)
-- returns: nothing; notes the uses at most once a minute, and lets them live on
UPDATE logins SET used_at = now(), idle_at = now() + idle
WHERE id = ANY (ARRAY(SELECT unnest(string_to_array($1::text, ',')))) AND used_at < now() - interval '1 minute'
  AND (revoked_at IS NULL) IS TRUE AND idle_at > now()
