-- planned: each time, for its parameters
-- params: tenant id, by (session, project, user, model, agent, day, tenant), from (day), to (day, not any more), session id, project id, user, namespaces (comma list), after this key, rows
-- returns: key, tokens in, out, read from a cache, written to one, of reasoning, nano usd (null: not known), tokens without a price, nano usd that agents said, sessions
SELECT key, sum(input_tokens)::bigint, sum(output_tokens)::bigint, sum(cache_read_tokens)::bigint,
       sum(cache_write_tokens)::bigint, sum(reasoning_tokens)::bigint, sum(nano_usd)::bigint,
       coalesce(sum(input_tokens + output_tokens + cache_read_tokens + cache_write_tokens)
                FILTER (WHERE source = 'unknown'), 0)::bigint,
       sum(nano_usd) FILTER (WHERE source = 'agent')::bigint, count(DISTINCT session_id)
FROM (SELECT CASE $2::text WHEN 'session' THEN session_id WHEN 'project' THEN project_id
                           WHEN 'user' THEN owner WHEN 'model' THEN model WHEN 'agent' THEN agent
                           WHEN 'day' THEN day::text ELSE tenant_id END COLLATE "C" AS key, *
      FROM usage_ledger
      WHERE tenant_id = $1::text
        AND ($3::text IS NULL OR day >= $3::text::date)
        AND ($4::text IS NULL OR day < $4::text::date)
        AND ($5::text IS NULL OR session_id = $5::text)
        AND ($6::text IS NULL OR project_id = $6::text)
        AND ($7::text IS NULL OR owner = $7::text)
        AND ($8::text IS NULL OR namespace = ANY (string_to_array($8::text, ',')))) used
WHERE $9::text IS NULL OR key > $9::text
GROUP BY key
ORDER BY key
LIMIT $10::bigint
