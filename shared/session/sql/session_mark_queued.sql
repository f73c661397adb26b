-- params: ids (comma list), tenant id
-- returns: nothing
UPDATE sessions SET queued_at = now()
WHERE id = ANY (string_to_array($1::text, ',')) AND (tenant_id = $2::text) IS TRUE AND queued_at IS NULL
