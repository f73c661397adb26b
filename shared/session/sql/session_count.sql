-- planned: each time, for its parameters
-- params: tenant id, states (comma list), project id, agent type, namespaces (comma list), label name, label value, cause of its failure, only without a retry
-- returns: how many sessions there are
SELECT count(*) FROM sessions s
WHERE s.tenant_id = $1::text AND s.tenant_id <> ''
  AND ($2::text IS NULL OR s.state = ANY (string_to_array($2::text, ',')))
  AND ($3::text IS NULL OR s.project_id = $3::text)
  AND ($4::text IS NULL OR s.agent ->> 'type' = $4::text)
  AND ($5::text IS NULL OR s.namespace = ANY (string_to_array($5::text, ',')))
  AND ($6::text IS NULL OR s.labels ->> $6::text = $7::text)
  AND ($8::text IS NULL
       OR CASE WHEN s.reason IN ('poison', 'deadline') THEN s.reason ELSE 'attempts' END = $8::text)
  AND (NOT $9::boolean OR NOT EXISTS (SELECT FROM sessions r WHERE r.retry_of = s.id))
