-- params: id, tenant id, project id, owner, does it allow, tool, command, path, host, made by, bytes that the rules of one project and owner may have
-- returns: the id, of a rule that says the same if there is one; no row when there is no more room
WITH same AS (
    SELECT id FROM approval_rules
    WHERE tenant_id = $2::text AND project_id = $3::text AND owner = $4::text
      AND allow = $5::boolean AND tool = $6::text AND command = $7::text AND path = $8::text
      AND host = $9::text),
size AS (
    SELECT coalesce(sum(160 + octet_length(project_id) + octet_length(owner) + octet_length(tool)
                        + octet_length(command) + octet_length(path) + octet_length(host)), 0) AS n
    FROM approval_rules
    WHERE tenant_id = $2::text AND project_id = $3::text AND owner = $4::text),
added AS (
    INSERT INTO approval_rules (id, tenant_id, project_id, owner, allow, tool, command, path, host,
                                created_by)
    SELECT $1::text, $2::text, $3::text, $4::text, $5::boolean, $6::text, $7::text, $8::text,
           $9::text, $10::text
    FROM size WHERE size.n + 2560 <= $11::bigint AND NOT EXISTS (SELECT FROM same)
    ON CONFLICT DO NOTHING
    RETURNING id)
SELECT id FROM same UNION ALL SELECT id FROM added LIMIT 1
