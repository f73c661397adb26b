-- params: hash of the user code, allowed or denied, tenant id, user id, scopes, namespaces
-- returns: nothing; no row is affected unless it waits
UPDATE device_codes
SET decision = $2::text, tenant_id = $3::text, user_id = $4::text, scopes = string_to_array($5::text, ','),
    namespaces = string_to_array($6::text, ',')
WHERE user_hash = $1::bytea AND expires_at > now() AND decision IS NULL
