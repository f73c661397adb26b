-- params: protocol
-- returns: nothing
-- Until this is committed nobody joins, and then nobody older.
UPDATE schema_version SET min_compatible = greatest(min_compatible, $1::integer)
