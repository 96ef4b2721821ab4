-- :name insert_dead_letter
INSERT INTO dead_letters (message_id, function, user_id, item_id, reason, error, attempts, payload)
VALUES (%(message_id)s, %(function)s, %(user_id)s, %(item_id)s, %(reason)s, %(error)s, %(attempts)s, %(payload)s::jsonb)
ON CONFLICT (message_id) DO NOTHING

-- :name list
SELECT id, kind, status, user_id, item_id, run_id, stage, reason, attempts, last_error, failed_at, next_attempt_at
FROM failures
WHERE (%(id)s::text IS NULL OR id = %(id)s)
  AND (%(kind)s::text IS NULL OR kind = %(kind)s)
  AND (%(status)s::text IS NULL OR status = %(status)s)
  AND (%(reason)s::text IS NULL OR reason = %(reason)s)
  AND (%(stage)s::text IS NULL OR stage = %(stage)s)
  AND (%(user_id)s::text IS NULL OR user_id = %(user_id)s)
  AND (%(item_id)s::text IS NULL OR item_id = %(item_id)s)
  AND (%(run_id)s::text IS NULL OR run_id = %(run_id)s)
  AND (%(since)s::timestamptz IS NULL OR failed_at >= %(since)s)
  AND (%(until)s::timestamptz IS NULL OR failed_at < %(until)s)
  AND (%(after_at)s::timestamptz IS NULL OR (failed_at, id) < (%(after_at)s, %(after_id)s))
ORDER BY failed_at DESC, id DESC LIMIT %(limit)s

-- A task that is no failure any more is left alone.
-- :name redrive_tasks
WITH reset AS (
    UPDATE tasks
    SET state = 'ready', attempt = 0, token = NULL, lease_until = NULL, run_after = now(), woken_at = NULL,
        error_code = NULL, error_message = NULL, last_error = NULL, finished_at = NULL
    WHERE id = ANY (%(ids)s) AND ((state IN ('failed', 'ready') AND error_code IS NOT NULL)
                                  OR (state = 'running' AND lease_until < now()))
    RETURNING user_id, item_id, run_id, stage
), pending AS (
    UPDATE items i SET status = 'PENDING', failure_code = NULL, failure_message = NULL, updated_at = now()
    FROM reset r WHERE i.user_id = r.user_id AND i.id = r.item_id
)
INSERT INTO item_events (user_id, item_id, run_id, stage, event, message)
SELECT user_id, item_id, run_id, stage, 'redriven', 'Asked for by an administrator.' FROM reset

-- :name list_letters
SELECT id, payload FROM dead_letters
WHERE id = ANY (%(ids)s) AND redriven_at IS NULL ORDER BY id

-- :name close_letters
UPDATE dead_letters SET redriven_at = now() WHERE id = ANY (%(ids)s) AND redriven_at IS NULL

-- :name redrive_events
UPDATE outbox SET attempts = 0, locked_until = NULL
WHERE id = ANY (%(ids)s) AND published_at IS NULL AND attempts > 0

-- :name redrive_deletions
UPDATE object_deletions SET attempts = 0, created_at = now() WHERE id = ANY (%(ids)s) AND attempts > 0

-- :name prune_letters
DELETE FROM dead_letters WHERE received_at < now() - interval '30 days'
