-- params: id, tenant id, attempts, status (null: no answer), error, how it went (JSON), milliseconds before the next, milliseconds after which it is given up, milliseconds that its endpoint rests
-- returns: whether it was given up, its webhook (null: a task's); no row when somebody else has taken it up again
WITH failed AS (
    UPDATE webhook_messages SET
        status = $4::integer, error = $5::text, tries = tries || $6::text::jsonb, sending_until = NULL,
        next_at = now() + $7::bigint * interval '1 millisecond',
        state = CASE WHEN since + $8::bigint * interval '1 millisecond' <= now() THEN 'dead' ELSE 'waiting' END,
        ended_at = CASE WHEN since + $8::bigint * interval '1 millisecond' <= now() THEN now() END
    WHERE id = $1::text AND (tenant_id = $2::text) IS TRUE AND (state = 'waiting') IS TRUE AND attempts = $3::integer
    RETURNING endpoint, state, webhook_id
), noted AS (
    INSERT INTO webhook_endpoints AS p (endpoint, tenant_id, failures, rest_until)
    SELECT endpoint, $2::text, 1, now() + $9::bigint * interval '1 millisecond' FROM failed
    ON CONFLICT (endpoint) DO UPDATE SET failures = least(p.failures + 1, 1000000),
        rest_until = now() + $9::bigint * interval '1 millisecond'
)
SELECT state = 'dead', webhook_id FROM failed
