-- params: id, whether it is to be disabled
-- returns: the id, if there is such a tenant
UPDATE tenants SET disabled_at = CASE WHEN $2::boolean THEN coalesce(disabled_at, now()) END
WHERE id = $1::text
RETURNING id
