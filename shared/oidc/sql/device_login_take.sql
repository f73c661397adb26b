-- params: hash
-- returns: provider, sealed, may be asked about; no row unless it still waits
WITH due AS (
    UPDATE device_logins SET next_at = now() + interval_s * interval '1 second'
    WHERE hash = $1::bytea AND expires_at > now() AND next_at <= now()
    RETURNING hash)
SELECT d.provider, d.sealed, EXISTS (SELECT 1 FROM due)
FROM device_logins d
WHERE d.hash = $1::bytea AND d.expires_at > now()
