-- params: hash
-- returns: allowed, denied, expired, pending or early; then tenant id, user id, scopes, namespaces, client; no row when there is none. What was decided is gone
WITH due AS (
    UPDATE device_codes SET next_at = now() + interval_s * interval '1 second'
    WHERE hash = $1::bytea AND expires_at > now() AND decision IS NULL AND next_at <= now()
    RETURNING hash),
won AS (
    DELETE FROM device_codes
    WHERE hash = $1::bytea AND expires_at > now() AND decision IS NOT NULL
    RETURNING decision, tenant_id, user_id, array_to_string(scopes, ',') AS scopes,
              array_to_string(namespaces, ',') AS namespaces, client)
SELECT decision, tenant_id, user_id, scopes, namespaces, client FROM won
UNION ALL
SELECT CASE WHEN expires_at <= now() THEN 'expired' WHEN EXISTS (SELECT 1 FROM due) THEN 'pending'
            ELSE 'early' END, NULL, NULL, NULL, NULL, client
FROM device_codes
WHERE hash = $1::bytea AND (decision IS NULL OR expires_at <= now())
