-- Work that a worker has and holds is not waiting; work whose worker has died has waited since its lease ended.
-- :name get_ages
SELECT coalesce(extract(epoch FROM clock_timestamp() - (SELECT min(due_at) FROM outbox WHERE published_at IS NULL)), 0)::float8
           AS outbox_s,
       coalesce(extract(epoch FROM clock_timestamp() - least(
           (SELECT min(run_after) FROM tasks WHERE state = 'ready'),
           (SELECT min(lease_until) FROM tasks WHERE state = 'running'))), 0)::float8
           AS work_s

-- :name count_waiting
SELECT (SELECT count(*) FROM outbox WHERE published_at IS NULL) AS events,
       (SELECT count(*) FROM dead_letters WHERE redriven_at IS NULL) AS dead_letters

-- Every failed task has a code, and there is an index of those that have one.
-- :name count_tasks
SELECT stage AS kind, state, count(*) AS count
FROM tasks WHERE state = 'ready' OR state = 'running' OR (state = 'failed' AND error_code IS NOT NULL)
GROUP BY stage, state
