-- planned: each time, for its parameters
-- params: tenant id (null: any), after tenant id, kind, name, period, today, first day of this month, rows
-- returns: tenant id, kind, name, period, nano usd soft, hard, tokens soft, hard (null: none), nano usd and tokens used in this period
SELECT b.tenant_id, b.kind, b.name, b.period, b.soft_nano, b.hard_nano, b.soft_tokens, b.hard_tokens, u.nano, u.tokens
FROM (SELECT * FROM budgets
      WHERE ($1::text IS NULL OR tenant_id = $1::text)
        AND (tenant_id, kind, name, period) > ($2::text, $3::text, $4::text, $5::text)
      ORDER BY tenant_id, kind, name, period
      LIMIT $8::bigint) b
CROSS JOIN LATERAL (SELECT coalesce(sum(d.nano_usd), 0)::bigint AS nano, coalesce(sum(d.tokens), 0)::bigint AS tokens
                    FROM usage_days d
                    WHERE d.tenant_id = b.tenant_id AND d.kind = b.kind AND d.name = b.name
                      AND d.day >= CASE b.period WHEN 'day' THEN $6::date WHEN 'month' THEN $7::date
                                                 ELSE '-infinity'::date END) u
ORDER BY b.tenant_id, b.kind, b.name, b.period
