-- params: tenant, session, epoch, first n, cause, worker or NULL, generation
-- returns: nothing; what is there already stays
INSERT INTO session_epochs (tenant_id, session_id, epoch, first_n, cause, worker_id, generation)
VALUES ($1::text, $2::text, $3::bigint, $4::bigint, $5::text, $6::text, $7::bigint)
ON CONFLICT DO NOTHING
