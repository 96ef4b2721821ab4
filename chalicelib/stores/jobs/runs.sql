-- :name insert
INSERT INTO job_runs (user_id, run_id, job_id, kind, parameters, collection_id, max_cost_usd, expires_at, retry_of, scheduled_for,
                      input_key, input_etag, progress)
VALUES (%(user_id)s, %(run_id)s::uuid, %(job_id)s::uuid, %(kind)s, %(parameters)s::jsonb, %(collection_id)s::uuid,
        %(max_cost_usd)s, now() + %(expires_s)s * interval '1 second', %(retry_of)s::uuid, %(scheduled_for)s,
        %(input_key)s, %(input_etag)s, %(progress)s::jsonb)

-- A task that is a run, as a run of a job if it is one. An answer's states have the names of a run's.
-- :name owned
SELECT t.run_id::text AS id, t.id AS task_id, coalesce(r.kind, t.stage) AS kind,
       coalesce(r.state, CASE t.state WHEN 'ready' THEN 'queued' WHEN 'done' THEN 'succeeded' ELSE t.state END) AS state,
       t.attempt, t.output,
       CASE WHEN r.run_id IS NULL THEN t.error_code ELSE coalesce(r.error_code, t.error_code) END AS error_code,
       CASE WHEN r.run_id IS NULL THEN t.error_message ELSE coalesce(r.error_message, t.error_message) END AS error_message,
       CASE WHEN t.state = 'ready' THEN t.run_after END AS run_after, t.created_at, t.started_at,
       CASE WHEN r.run_id IS NULL THEN t.finished_at ELSE r.finished_at END AS finished_at,
       r.run_id IS NOT NULL AS is_of_job, r.job_id::text, r.parameters, r.collection_id::text, r.max_cost_usd,
       r.input_key, r.input_etag, r.multipart_key, r.multipart_id,
       coalesce(r.total, 0) AS total, coalesce(r.done, 0) AS done, coalesce(r.failed, 0) AS failed,
       coalesce(r.skipped, 0) AS skipped, r.progress, r.retry_of::text, r.scheduled_for, r.expires_at, r.validating_at,
       extract(epoch FROM r.expires_at - clock_timestamp())::float8 AS expires_in_s,
       extract(epoch FROM clock_timestamp() - r.progressed_at)::float8 AS idle_s,
       r.running_at, r.paused_at, r.progressed_at, r.stuck_at, r.finalizing_at, r.cancelling_at, r.files_at
FROM tasks t LEFT JOIN job_runs r ON r.user_id = t.user_id AND r.run_id = t.run_id
WHERE t.user_id = %(user_id)s AND t.run_id IS NOT NULL

-- :name get prepared
-- :include owned
  AND t.run_id = %(run_id)s::uuid

-- :name list
-- :include owned
  AND (%(job_id)s::uuid IS NULL OR r.job_id = %(job_id)s::uuid)
  AND (%(kind)s::text IS NULL OR coalesce(r.kind, t.stage) = %(kind)s)
  AND (%(state)s::text IS NULL OR %(state)s =
       coalesce(r.state, CASE t.state WHEN 'ready' THEN 'queued' WHEN 'done' THEN 'succeeded' ELSE t.state END))
  AND (%(until)s::timestamptz IS NULL OR t.created_at < %(until)s)
  AND (%(after_at)s::timestamptz IS NULL OR (t.created_at, t.run_id) < (%(after_at)s, %(after_id)s::uuid))
ORDER BY t.created_at DESC, t.run_id DESC LIMIT %(limit)s

-- :name lock_task
SELECT 1 FROM tasks WHERE user_id = %(user_id)s AND run_id = %(run_id)s::uuid FOR UPDATE

-- :name lock prepared
SELECT 1 FROM job_runs WHERE user_id = %(user_id)s AND run_id = %(run_id)s::uuid FOR UPDATE

-- :name count_open
SELECT count(*) FROM job_runs
WHERE user_id = %(user_id)s AND finished_at IS NULL AND (%(job_id)s::uuid IS NULL OR job_id = %(job_id)s::uuid)

-- :name find_open_retry
SELECT run_id::text AS id FROM job_runs
WHERE user_id = %(user_id)s AND finished_at IS NULL AND retry_of = %(run_id)s::uuid LIMIT 1

-- :name set_state
UPDATE job_runs
SET state = %(state)s,
    validating_at = CASE WHEN %(state)s = 'validating' THEN clock_timestamp() ELSE validating_at END,
    running_at = CASE WHEN %(state)s = 'running' THEN clock_timestamp() ELSE running_at END,
    progressed_at = CASE WHEN %(state)s IN ('validating', 'running') THEN clock_timestamp() ELSE progressed_at END,
    finalizing_at = CASE WHEN %(state)s = 'finalizing' THEN clock_timestamp() ELSE finalizing_at END,
    cancelling_at = CASE WHEN %(state)s = 'cancelling' THEN clock_timestamp() ELSE cancelling_at END,
    finished_at = CASE WHEN %(state)s IN ('succeeded', 'partially_succeeded', 'failed', 'cancelled', 'expired')
                       THEN clock_timestamp() END,
    paused_at = NULL, stuck_at = NULL
WHERE user_id = %(user_id)s AND run_id = %(run_id)s::uuid

-- :name set_failed
UPDATE job_runs
SET state = 'failed', error_code = %(code)s, error_message = %(message)s, finished_at = clock_timestamp(),
    paused_at = NULL, stuck_at = NULL
WHERE user_id = %(user_id)s AND run_id = %(run_id)s::uuid

-- :name set_input
UPDATE job_runs SET input_key = %(key)s, input_etag = %(etag)s, multipart_key = NULL, multipart_id = NULL
WHERE user_id = %(user_id)s AND run_id = %(run_id)s::uuid

-- :name set_multipart
UPDATE job_runs SET multipart_key = %(key)s, multipart_id = %(multipart_id)s
WHERE user_id = %(user_id)s AND run_id = %(run_id)s::uuid

-- :name clear_multipart
UPDATE job_runs SET multipart_key = NULL, multipart_id = NULL WHERE user_id = %(user_id)s AND run_id = %(run_id)s::uuid

-- :name add_counts prepared
UPDATE job_runs
SET done = done + %(done)s, failed = failed + %(failed)s, skipped = skipped + %(skipped)s,
    progressed_at = clock_timestamp(), stuck_at = NULL
WHERE user_id = %(user_id)s AND run_id = %(run_id)s::uuid

-- :name set_total
UPDATE job_runs SET total = %(total)s WHERE user_id = %(user_id)s AND run_id = %(run_id)s::uuid

-- :name add_listed
UPDATE job_runs SET total = total + %(lines)s, failed = failed + %(failed)s, progressed_at = clock_timestamp(), stuck_at = NULL
WHERE user_id = %(user_id)s AND run_id = %(run_id)s::uuid

-- :name set_progress
UPDATE job_runs SET progress = %(progress)s::jsonb, progressed_at = clock_timestamp(), stuck_at = NULL
WHERE user_id = %(user_id)s AND run_id = %(run_id)s::uuid

-- :name set_paused
UPDATE job_runs SET paused_at = CASE WHEN %(is_paused)s THEN clock_timestamp() END
WHERE user_id = %(user_id)s AND run_id = %(run_id)s::uuid

-- :name set_max_cost
UPDATE job_runs SET max_cost_usd = %(max_cost_usd)s WHERE user_id = %(user_id)s AND run_id = %(run_id)s::uuid

-- :name set_files_written
UPDATE job_runs SET files_at = clock_timestamp() WHERE user_id = %(user_id)s AND run_id = %(run_id)s::uuid

-- What a cancelled run had at work has stopped already; only the files with what was finished may still be written.
-- :name end_cancelling
UPDATE job_runs SET state = 'cancelled', finished_at = clock_timestamp()
WHERE (user_id, run_id) IN (SELECT user_id, run_id FROM job_runs WHERE finished_at IS NULL AND state = 'cancelling'
                            FOR UPDATE SKIP LOCKED)

-- :name list_overdue
SELECT user_id, run_id::text FROM job_runs
WHERE finished_at IS NULL AND state <> 'cancelling' AND expires_at < clock_timestamp() - %(grace_s)s * interval '1 second'
ORDER BY expires_at LIMIT %(limit)s

-- :name list_failed
SELECT r.user_id, r.run_id::text FROM job_runs r JOIN tasks t ON t.user_id = r.user_id AND t.run_id = r.run_id
WHERE r.finished_at IS NULL AND t.state = 'failed' LIMIT %(limit)s

-- :name mark_stuck
UPDATE job_runs SET stuck_at = clock_timestamp()
WHERE finished_at IS NULL AND state IN ('validating', 'running', 'finalizing') AND paused_at IS NULL AND stuck_at IS NULL
  AND progressed_at < clock_timestamp() - %(after_s)s * interval '1 second'
RETURNING user_id, run_id::text

-- :name list_old
SELECT user_id, run_id::text FROM job_runs WHERE finished_at < now() - interval '30 days' ORDER BY finished_at LIMIT %(limit)s

-- What was uploaded for a run is of use to it, to the retries of it, and to the item that was made of it.
-- :name is_of_use
SELECT 1 FROM job_runs WHERE user_id = %(user_id)s AND input_key = %(key)s
UNION ALL SELECT 1 FROM uploads WHERE user_id = %(user_id)s AND key = %(key)s AND item_id IS NOT NULL LIMIT 1

-- :name delete
DELETE FROM tasks WHERE user_id = %(user_id)s AND run_id = ANY (%(run_ids)s::uuid[])
