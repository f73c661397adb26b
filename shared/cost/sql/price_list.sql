-- params: rows
-- returns: model, nano usd per 1000 tokens in, out, read from a cache, written to one
SELECT model, input, output, cache_read, cache_write FROM prices ORDER BY model LIMIT $1::bigint
