-- params: none
-- returns: of each tenant that has limits of its own: id, those of a key, of a user, of the tenant (NULL: as the settings say)
SELECT id, settings->'rate'->>'key', settings->'rate'->>'user', settings->'rate'->>'tenant'
FROM tenants
WHERE settings ? 'rate'
