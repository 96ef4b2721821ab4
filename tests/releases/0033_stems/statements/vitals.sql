-- :name get
SELECT coalesce(extract(epoch FROM now() - (SELECT min(lease_until) FROM tasks WHERE state = 'running')), 0)::float8
           AS late_lease_s,
       coalesce(extract(epoch FROM now() - (SELECT min(due_at) FROM outbox WHERE published_at IS NULL)), 0)::float8
           AS late_event_s,
       coalesce(extract(epoch FROM now() - (SELECT min(run_after) FROM tasks WHERE state = 'ready')), 0)::float8
           AS late_work_s,
       extract(epoch FROM clock_timestamp())::float8 AS clock_s,
       EXISTS (SELECT FROM cache_entries) AS has_cached
