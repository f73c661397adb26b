-- params: id, tenant id
-- returns: a schedule, in the order of the columns of schedule_store.c
-- with schedule_row.sql
WHERE s.id = $1::text AND s.tenant_id = $2::text
