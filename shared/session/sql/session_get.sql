-- params: id, tenant id
-- returns: a session with its task, in the order of the columns of session_store.c
-- with session_row.sql
WHERE s.id = $1::text AND (s.tenant_id = $2::text) IS TRUE
