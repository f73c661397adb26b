       EXISTS (SELECT FROM webhooks w WHERE w.tenant_id = sessions.tenant_id AND w.state = 'active')
           OR EXISTS (SELECT FROM tasks t WHERE t.id = sessions.task_id AND t.webhooks <> '[]')
