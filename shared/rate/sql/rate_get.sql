-- params: tenant id
-- returns: its own limits of a key, of a user, of the tenant (NULL: as the settings say)
SELECT settings->'rate'->>'key', settings->'rate'->>'user', settings->'rate'->>'tenant'
FROM tenants
WHERE id = $1::text
