-- params: id, tenant id, project id, namespace, created by, prompt, repo, runtime, agents, delivery, labels
-- returns: nothing
INSERT INTO tasks (id, tenant_id, project_id, namespace, created_by, prompt, repo, runtime, agents,
                   delivery, labels)
VALUES ($1::text, $2::text, $3::text, $4::text, $5::text, $6::text::jsonb, $7::text::jsonb,
        $8::text::jsonb, $9::text::jsonb, $10::text::jsonb, $11::text::jsonb)
