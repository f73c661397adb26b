-- params: id, program, version, protocol, the last migration that it needs
-- returns: the protocol that is asked for at least, whether that migration was applied; with too low a protocol
--          it is not joined
-- The lock keeps a migration that raises what is asked for from counting before this is committed.  Rows of
-- those who died go after an hour.
WITH asked AS (
    SELECT min_compatible FROM schema_version FOR SHARE
), gone AS (
    DELETE FROM nodes WHERE id IN (
        SELECT id FROM nodes WHERE seen_at < now() - interval '1 hour' ORDER BY seen_at LIMIT 100 FOR UPDATE SKIP LOCKED)
), joined AS (
    INSERT INTO nodes (id, program, version, protocol)
    SELECT $1::text, $2::text, $3::text, $4::integer FROM asked WHERE min_compatible <= $4::integer
    ON CONFLICT (id) DO UPDATE SET seen_at = now()
)
SELECT min_compatible, EXISTS (SELECT FROM schema_migrations WHERE name = $5::text) FROM asked
