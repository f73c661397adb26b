-- params: ids (comma list), tenant id
-- returns: sessions with their tasks, in the order of the columns of session_store.c
-- (the subquery: so that one plan is good for all lists)
-- with session_row.sql
WHERE s.id = ANY (ARRAY(SELECT unnest(string_to_array($1::text, ',')))) AND (s.tenant_id = $2::text) IS TRUE
