-- params: tenant id, session id, epoch, first n, cause, worker id, generation
-- returns: nothing; an epoch that is known stays as it is
INSERT INTO session_epochs (tenant_id, session_id, epoch, first_n, cause, worker_id, generation)
VALUES ($1::text, $2::text, $3::bigint, $4::bigint, $5::text, $6::text, $7::bigint)
ON CONFLICT (session_id, epoch) DO NOTHING
