-- params: tenant id, kind, name, period, nano usd soft, hard, tokens soft, hard (null: none), budgets of a tenant at most
-- returns: a row, if there is room; whether it is new
INSERT INTO budgets AS b (tenant_id, kind, name, period, soft_nano, hard_nano, soft_tokens, hard_tokens)
SELECT $1::text, $2::text, $3::text, $4::text, $5::bigint, $6::bigint, $7::bigint, $8::bigint
WHERE (SELECT count(*) FROM budgets o
       WHERE o.tenant_id = $1::text AND (o.kind, o.name, o.period) <> ($2::text, $3::text, $4::text)) < $9::bigint
ON CONFLICT (tenant_id, kind, name, period) DO UPDATE SET soft_nano = EXCLUDED.soft_nano,
    hard_nano = EXCLUDED.hard_nano, soft_tokens = EXCLUDED.soft_tokens, hard_tokens = EXCLUDED.hard_tokens,
    updated_at = now()
RETURNING b.xmax = 0
