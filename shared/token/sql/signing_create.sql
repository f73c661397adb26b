-- params: kid, alg, sealed, activates (us), retires (us)
-- returns: nothing
INSERT INTO signing_keys (kid, alg, sealed, activates_at, retires_at)
VALUES ($1::text, $2::text, $3::bytea,
        'epoch'::timestamptz + $4::bigint * interval '1 microsecond',
        'epoch'::timestamptz + $5::bigint * interval '1 microsecond')
