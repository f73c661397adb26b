-- params: id, seconds (NULL: as the setting says; 0: for ever)
-- returns: the id, if there is such a tenant
UPDATE tenants SET retention_s = $2::bigint
WHERE id = $1::text
RETURNING id
