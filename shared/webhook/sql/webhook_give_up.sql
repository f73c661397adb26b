-- params: milliseconds that a message may wait, messages at most
-- returns: nothing; at an address that took nothing for so long and rests again, what has waited for so long is dead: told
-- one at a time, as it is, most would never have their turn
UPDATE webhook_messages SET state = 'dead', error = 'its address took nothing for so long', sending_until = NULL, ended_at = now()
WHERE id IN (
    SELECT d.id
    FROM webhook_endpoints p
    CROSS JOIN LATERAL (
        SELECT m.id
        FROM webhook_messages m
        WHERE m.endpoint = p.endpoint AND (m.tenant_id = p.tenant_id) IS TRUE
          AND m.state = 'waiting' AND m.since + $1::bigint * interval '1 millisecond' <= now()
          AND (m.sending_until <= now()) IS NOT FALSE
        LIMIT $2::bigint
        FOR UPDATE SKIP LOCKED) d
    WHERE p.rest_until > now() AND p.failing_since + $1::bigint * interval '1 millisecond' <= now()
    LIMIT $2::bigint)
