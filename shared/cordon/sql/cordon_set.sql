-- params: name, whether it is drained, by whom
-- returns: nothing; an earlier one is replaced
INSERT INTO worker_cordons (name, drain, by)
VALUES ($1::text, $2::boolean, $3::text)
ON CONFLICT (name) DO UPDATE SET drain = excluded.drain, by = excluded.by
