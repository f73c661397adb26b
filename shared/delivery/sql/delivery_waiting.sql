-- params: rows
-- returns: session id, tenant id, epoch, ref, commit, repository, branch, worker id, state of the session, times asked, whether it is due; of those that wait and whose session has ended
SELECT d.session_id, d.tenant_id, d.epoch, d.ref, d.commit_id, t.repo ->> 'url',
       t.delivery ->> 'targetBranch', s.worker_id, s.state, d.asked, d.next_at <= now()
FROM deliveries d JOIN sessions s ON s.id = d.session_id JOIN tasks t ON t.id = s.task_id
WHERE d.state = 'waiting' AND s.state IN ('stopped', 'completed', 'failed', 'cancelled')
  AND (d.next_at <= now() OR d.asked > 0)
ORDER BY d.next_at
LIMIT $1::bigint
