-- params: none
-- returns: id, name, seconds that logs are kept (NULL: as the setting says), whether it is disabled
SELECT id, name, retention_s, disabled_at IS NOT NULL
FROM tenants
ORDER BY id
