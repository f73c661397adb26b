-- params: chain, n, at (us), actor kind, actor, actor name, address, agent, action, object, outcome, request id, detail, prev hash, hash, mac of the new end
-- returns: nothing; no row is affected when there is a row n already; only under the lock of audit_lock
WITH row AS (
    INSERT INTO audit (tenant_id, n, at, actor_kind, actor, actor_name, address, agent, action, object,
                       outcome, request_id, detail, prev_hash, hash)
    VALUES ($1::text, $2::bigint, timestamptz 'epoch' + $3::bigint * interval '1 microsecond', $4::text,
            $5::text, $6::text, $7::text, $8::text, $9::text, $10::text, $11::text, $12::text, $13::text,
            $14::bytea, $15::bytea)
    ON CONFLICT DO NOTHING
    RETURNING n)
UPDATE audit_heads SET n = row.n, hash = $15::bytea, mac = $16::bytea
FROM row
WHERE tenant_id = $1::text
