-- params: tenant id, project id, names (a JSON array)
-- returns: project id, name, sealed; of each name the project's own, else that of all projects
WITH found AS (
    SELECT DISTINCT ON (name) project_id, name, sealed
    FROM secrets
    WHERE tenant_id = $1::text AND project_id IN ('', $2::text)
      AND name IN (SELECT json_array_elements_text($3::json))
    ORDER BY name, project_id DESC),
used AS (
    UPDATE secrets s SET used_at = now()
    FROM found f
    WHERE s.tenant_id = $1::text AND s.project_id = f.project_id AND s.name = f.name
      AND (s.used_at IS NULL OR s.used_at < now() - interval '10 seconds'))
SELECT project_id, name, sealed FROM found
