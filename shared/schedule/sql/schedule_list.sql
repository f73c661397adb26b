-- planned: each time, for its parameters
-- params: tenant id, namespaces (comma list), id before, rows
-- returns: a schedule, in the order of the columns of schedule_store.c
-- with schedule_row.sql
WHERE s.tenant_id = $1::text
  AND ($2::text IS NULL OR s.namespace = ANY (string_to_array($2::text, ',')))
  AND ($3::text IS NULL OR s.id < $3::text)
ORDER BY s.id DESC
LIMIT $4::bigint
