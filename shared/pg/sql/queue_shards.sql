-- params: shards that this process is set to
-- returns: shards; never fewer than before
WITH raised AS (
    UPDATE queue_layout SET shards = $1::bigint WHERE shards < $1::bigint
    RETURNING shards
)
SELECT shards FROM raised
UNION ALL
SELECT shards FROM queue_layout WHERE NOT EXISTS (SELECT 1 FROM raised)
