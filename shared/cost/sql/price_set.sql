-- params: model, nano usd per 1000 tokens in, out, read from a cache, written to one, rows at most
-- returns: its model, if there is room
INSERT INTO prices (model, input, output, cache_read, cache_write)
SELECT $1::text, $2::bigint, $3::bigint, $4::bigint, $5::bigint
WHERE (SELECT count(*) FROM prices WHERE model <> $1::text) < $6::bigint
ON CONFLICT (model) DO UPDATE SET input = EXCLUDED.input, output = EXCLUDED.output,
    cache_read = EXCLUDED.cache_read, cache_write = EXCLUDED.cache_write, updated_at = now()
RETURNING model
