-- params: lists of the same length: ids, worker ids, epochs, first ns, last ns of what leases wrote
-- returns: nothing; only rows that are queued and reflect all before the first entry are affected: a
--          new row does, of its log's only one; and none of whose moves webhooks may want to hear: they are told by
--          whoever follows the log, from where the row is
-- (the place of each row is looked up by itself, what else is asked of it after that, and the state is no index's: a plan from when there were
-- few rows would read all that is queued)
UPDATE sessions s SET
    state = 'provisioning',
    epoch = l.epoch,
    n = l.n,
    reason = '',
    worker_id = l.worker,
    updated_at = now()
FROM unnest(string_to_array($1::text, ','), string_to_array($2::text, ','),
            string_to_array($3::text, ',')::bigint[], string_to_array($4::text, ',')::bigint[],
            string_to_array($5::text, ',')::bigint[]) AS l(id, worker, epoch, first_n, n),
     LATERAL (SELECT r.ctid AS place FROM sessions r WHERE r.id = l.id OFFSET 0) found
WHERE s.ctid = found.place AND coalesce(s.state, '') = 'queued' AND s.epoch < l.epoch
  AND (s.n = l.first_n - 1 OR s.n = 0 AND l.first_n = 2)
  AND NOT EXISTS (SELECT FROM webhooks w WHERE w.tenant_id = s.tenant_id AND w.state = 'active' OFFSET 0)
  AND NOT EXISTS (SELECT FROM tasks t WHERE t.id = s.task_id AND t.webhooks <> '[]' OFFSET 0)
