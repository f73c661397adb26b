-- params: run id of a Redis server
-- returns: generation; a run id seen for the first time gets the next one
WITH known AS (
    UPDATE redis_generations SET seen_at = now() WHERE run_id = $1::text
    RETURNING generation
), fresh AS (
    INSERT INTO redis_generations (run_id)
    SELECT $1::text WHERE NOT EXISTS (SELECT 1 FROM known)
    ON CONFLICT (run_id) DO UPDATE SET seen_at = now()
    RETURNING generation
)
SELECT generation FROM known
UNION ALL
SELECT generation FROM fresh
