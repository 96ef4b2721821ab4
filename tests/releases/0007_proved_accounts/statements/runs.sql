-- :name insert
INSERT INTO runs (user_id, id, kind, input) VALUES (%(user_id)s, %(id)s::uuid, %(kind)s, %(input)s::jsonb)
ON CONFLICT (user_id, id) DO NOTHING

-- :name list
SELECT id::text, kind, state, input, output, attempt, error_code, error_message, run_after, created_at, started_at,
       finished_at, state = 'queued' AND run_after <= clock_timestamp() AS is_due
FROM runs
WHERE user_id = %(user_id)s
  AND (%(id)s::uuid IS NULL OR id = %(id)s::uuid)
  AND (%(state)s::text IS NULL OR state = %(state)s)
  AND (%(after_at)s::timestamptz IS NULL OR (created_at, id) < (%(after_at)s, %(after_id)s::uuid))
ORDER BY created_at DESC, id DESC LIMIT %(limit)s

-- The attempt is counted here, so that a crash counts. An expired lease may be taken over.
-- :name claim
UPDATE runs
SET state = 'running', attempt = attempt + 1, token = gen_random_uuid(), started_at = coalesce(started_at, clock_timestamp()),
    lease_until = clock_timestamp() + %(lease_s)s * interval '1 second'
WHERE user_id = %(user_id)s AND id = %(id)s::uuid AND attempt < %(max_attempts)s
  AND ((state = 'queued' AND run_after <= clock_timestamp()) OR (state = 'running' AND lease_until < clock_timestamp()))
RETURNING kind, input, token::text, attempt

-- The fence: only the token of the latest claim, and only while its lease runs.
-- :name hold
SELECT 1 FROM runs
WHERE user_id = %(user_id)s AND id = %(id)s::uuid
  AND state = 'running' AND token = %(token)s::uuid AND lease_until >= clock_timestamp()
FOR UPDATE

-- :name succeed
UPDATE runs
SET state = 'succeeded', output = %(output)s::jsonb, token = NULL, lease_until = NULL, finished_at = clock_timestamp(),
    error_code = NULL, error_message = NULL, last_error = NULL
WHERE user_id = %(user_id)s AND id = %(id)s::uuid

-- Full jitter, as the pipeline's: see tasks.sql.
-- :name retry
UPDATE runs
SET state = 'queued', token = NULL, lease_until = NULL, woken_at = NULL, attempt = attempt - %(refund)s,
    error_code = %(code)s, error_message = %(message)s, last_error = %(last_error)s,
    run_after = clock_timestamp() + interval '1 second' * greatest(
        %(at_least_s)s, random() * least(%(cap_s)s, %(base_s)s * power(2, attempt - 1)))
WHERE user_id = %(user_id)s AND id = %(id)s::uuid

-- :name fail
UPDATE runs
SET state = 'failed', token = NULL, lease_until = NULL, finished_at = clock_timestamp(), error_code = %(code)s,
    error_message = %(message)s, last_error = %(last_error)s
WHERE user_id = %(user_id)s AND id = %(id)s::uuid

-- :name cancel
UPDATE runs SET state = 'cancelled', token = NULL, lease_until = NULL, finished_at = clock_timestamp()
WHERE user_id = %(user_id)s AND id = %(id)s::uuid AND state IN ('queued', 'running')

-- Due and never woken; and a few of those that were woken long ago, for their events may be lost. A backlog is not:
-- however long it is, it grows by these few a minute.
-- :name list_due
SELECT user_id, id::text FROM (
    (SELECT user_id, id, run_after FROM runs
     WHERE state = 'queued' AND run_after <= clock_timestamp() AND woken_at IS NULL
     ORDER BY run_after LIMIT %(limit)s)
    UNION ALL
    (SELECT user_id, id, run_after FROM runs
     WHERE state = 'queued' AND run_after <= clock_timestamp()
       AND woken_at < clock_timestamp() - %(lost_after_s)s * interval '1 second'
     ORDER BY woken_at LIMIT %(lost_limit)s)
) due

-- :name set_woken
UPDATE runs r SET woken_at = clock_timestamp()
FROM unnest(%(user_ids)s::text[], %(ids)s::uuid[]) AS w (user_id, id)
WHERE r.user_id = w.user_id AND r.id = w.id AND r.state = 'queued'

-- :name set_unwoken
UPDATE runs SET woken_at = NULL WHERE user_id = %(user_id)s AND id = %(id)s::uuid AND state = 'queued'

-- A worker that is gone: tried again after the usual wait, at the maximum of attempts given up.
-- :name expire
UPDATE runs r
SET state = CASE WHEN e.is_last THEN 'failed' ELSE 'queued' END, token = NULL, lease_until = NULL, woken_at = NULL,
    finished_at = CASE WHEN e.is_last THEN clock_timestamp() END,
    run_after = clock_timestamp() + interval '1 second' * random() * least(%(cap_s)s, %(base_s)s * power(2, r.attempt - 1)),
    error_code = 'worker_lost', error_message = 'The worker stopped before it was done.'
FROM (SELECT user_id, id, attempt >= %(max_attempts)s AS is_last FROM runs
      WHERE state = 'running' AND lease_until < clock_timestamp()
      ORDER BY lease_until LIMIT %(limit)s FOR UPDATE SKIP LOCKED) e
WHERE r.user_id = e.user_id AND r.id = e.id

-- :name prune
DELETE FROM runs WHERE finished_at < now() - interval '30 days'
