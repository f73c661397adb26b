-- params: milliseconds that they are kept, messages at most
-- returns: nothing; what ended that long ago goes, and what is known of addresses that nobody asked since
WITH gone AS (
    DELETE FROM webhook_endpoints WHERE rest_until < now() - $1::bigint * interval '1 millisecond'
)
DELETE FROM webhook_messages
WHERE id IN (SELECT id FROM webhook_messages
             WHERE state <> 'waiting' AND ended_at < now() - $1::bigint * interval '1 millisecond'
             ORDER BY ended_at LIMIT $2::bigint)
