-- params: tenants, sessions, epochs, first ns, causes, workers, generations: comma lists of the same length
-- returns: nothing; what is there already stays, sessions that are gone are left out
INSERT INTO session_epochs (tenant_id, session_id, epoch, first_n, cause, worker_id, generation)
SELECT e.tenant, e.session, e.epoch, e.n, e.cause, nullif(e.worker, ''), e.generation
FROM unnest(string_to_array($1::text, ','), string_to_array($2::text, ','),
            string_to_array($3::text, ',')::bigint[], string_to_array($4::text, ',')::bigint[],
            string_to_array($5::text, ','), string_to_array($6::text, ','),
            string_to_array($7::text, ',')::bigint[])
     AS e (tenant, session, epoch, n, cause, worker, generation)
JOIN sessions s ON s.id = e.session AND (s.tenant_id = e.tenant) IS TRUE
ON CONFLICT DO NOTHING
