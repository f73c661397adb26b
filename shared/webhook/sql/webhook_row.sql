SELECT w.id, w.project_id, w.name, w.url, array_to_string(w.events, ','), w.secret_n, w.state, w.reason, w.created_by,
       (extract(epoch FROM w.created_at) * 1000000)::bigint, (extract(epoch FROM w.updated_at) * 1000000)::bigint,
       (extract(epoch FROM p.failing_since) * 1000000)::bigint, coalesce(p.failures, 0)
FROM webhooks w
LEFT JOIN webhook_endpoints p ON p.endpoint = w.id AND p.tenant_id = w.tenant_id
