-- params: ids (comma list)
-- returns: id, tenant id, state, epoch, n, attempts of those that are not archived to their end
SELECT id, tenant_id, state, epoch, n, attempts
FROM sessions
WHERE archived_at IS NULL AND id = ANY (string_to_array($1::text, ','))
