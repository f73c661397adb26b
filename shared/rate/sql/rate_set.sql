-- params: tenant id, kind, limits (NULL: as the settings say)
-- returns: the id, if there is such a tenant
UPDATE tenants
SET settings = CASE
    WHEN $3::text IS NULL THEN settings #- ARRAY['rate', $2::text]
    ELSE settings || jsonb_build_object('rate',
        coalesce(settings->'rate', '{}') || jsonb_build_object($2::text, $3::text))
    END
WHERE id = $1::text
RETURNING id
