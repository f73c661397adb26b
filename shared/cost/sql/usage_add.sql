-- params: tenant id, session id, epoch, n, when (us), model, source, tokens in, out, read from a cache, written to one, of reasoning, nano usd (null: it says nothing of money)
-- returns: a row if it was counted now; what the row counts already changes nothing
WITH counted AS (
INSERT INTO usage_ledger AS l (session_id, day, model, source, tenant_id, project_id, owner, namespace, root_id,
                               agent, input_tokens, output_tokens, cache_read_tokens, cache_write_tokens,
                               reasoning_tokens, nano_usd, epoch, n)
SELECT s.id, (to_timestamp($5::bigint / 1000000.0) AT TIME ZONE 'UTC')::date, $6::text, $7::text, s.tenant_id,
       coalesce(s.project_id, ''), coalesce(nullif(t.owner, ''), t.created_by), s.namespace,
       coalesce(s.root_id, s.id), coalesce(s.agent ->> 'type', ''), $8::bigint, $9::bigint, $10::bigint,
       $11::bigint, $12::bigint, $13::bigint, $3::bigint, $4::bigint
FROM sessions s JOIN tasks t ON t.id = s.task_id
WHERE s.id = $2::text AND (s.tenant_id = $1::text) IS TRUE
ON CONFLICT (session_id, day, model, source) DO UPDATE SET
    input_tokens = l.input_tokens + EXCLUDED.input_tokens,
    output_tokens = l.output_tokens + EXCLUDED.output_tokens,
    cache_read_tokens = l.cache_read_tokens + EXCLUDED.cache_read_tokens,
    cache_write_tokens = l.cache_write_tokens + EXCLUDED.cache_write_tokens,
    reasoning_tokens = l.reasoning_tokens + EXCLUDED.reasoning_tokens,
    nano_usd = CASE WHEN EXCLUDED.nano_usd IS NULL THEN l.nano_usd
                    ELSE coalesce(l.nano_usd, 0) + EXCLUDED.nano_usd END,
    epoch = EXCLUDED.epoch,
    n = EXCLUDED.n
WHERE (l.epoch, l.n) < (EXCLUDED.epoch, EXCLUDED.n)
RETURNING l.session_id, l.day, l.tenant_id, l.project_id, l.owner
), summed AS (
INSERT INTO usage_days AS d (tenant_id, kind, name, day, nano_usd, tokens)
SELECT c.tenant_id, w.kind, w.name, c.day, coalesce($13::bigint, 0), $8::bigint + $9::bigint + $10::bigint + $11::bigint
FROM counted c CROSS JOIN LATERAL (VALUES ('project', c.project_id), ('tenant', ''), ('user', c.owner)) w (kind, name)
WHERE (w.name = '') = (w.kind = 'tenant')
ORDER BY w.kind -- whoever adds at the same time locks in the same order
ON CONFLICT (tenant_id, kind, name, day) DO UPDATE SET
    nano_usd = d.nano_usd + EXCLUDED.nano_usd,
    tokens = d.tokens + EXCLUDED.tokens
)
SELECT session_id FROM counted
