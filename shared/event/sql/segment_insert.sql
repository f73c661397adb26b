-- params: tenant, session, epochs and n of both ends, ms of both, count, types, counts, bytes, sum, data
-- returns: nothing; what is there already stays
INSERT INTO log_segments (tenant_id, session_id, first_epoch, first_n, last_epoch, last_n, first_ts,
                          last_ts, event_count, types, counts, codec, bytes, checksum, data)
VALUES ($1::text, $2::text, $3::bigint, $4::bigint, $5::bigint, $6::bigint,
        to_timestamp($7::bigint / 1000.0), to_timestamp($8::bigint / 1000.0), $9::integer,
        $10::text[], $11::integer[], 'zstd-1', $12::integer, $13::bytea, $14::bytea)
ON CONFLICT DO NOTHING
