-- A change's own deliveries are made by a trigger (migration webhooks).
-- :name insert
WITH made AS (
    INSERT INTO webhook_deliveries (user_id, id, webhook_id, event, data)
    VALUES (%(user_id)s, %(id)s::uuid, %(webhook_id)s::uuid, %(event)s, %(data)s::jsonb)
    ON CONFLICT (user_id, id) DO NOTHING RETURNING user_id, id
)
INSERT INTO tasks (user_id, delivery_id, stage, input)
SELECT user_id, id, 'webhook', jsonb_build_object('delivery_id', id) FROM made

-- :name shown
SELECT d.id::text, d.webhook_id::text, d.event, d.data, d.attempts, d.status, d.error, d.took_ms,
       CASE WHEN d.delivered_at IS NOT NULL THEN 'delivered' WHEN t.state IN ('ready', 'running') THEN 'pending' ELSE 'failed' END AS state,
       d.created_at, d.attempted_at, coalesce(d.delivered_at, d.failed_at, t.finished_at) AS finished_at,
       CASE WHEN t.state = 'ready' THEN t.run_after END AS next_attempt_at
FROM webhook_deliveries d LEFT JOIN tasks t ON t.user_id = d.user_id AND t.delivery_id = d.id
WHERE d.user_id = %(user_id)s AND d.webhook_id = %(webhook_id)s::uuid

-- :name find
-- :include shown
  AND d.id = %(id)s::uuid

-- :name list_page
-- :include shown
  AND (%(state)s::text IS NULL OR %(state)s =
       CASE WHEN d.delivered_at IS NOT NULL THEN 'delivered' WHEN t.state IN ('ready', 'running') THEN 'pending' ELSE 'failed' END)
  AND (%(after_at)s::timestamptz IS NULL OR (d.created_at, d.id) < (%(after_at)s, %(after_id)s::uuid))
ORDER BY d.created_at DESC, d.id DESC LIMIT %(limit)s

-- :name find_due
SELECT d.id::text, d.webhook_id::text, d.event, d.data, d.created_at, d.retried_from, w.url, w.enabled,
       ARRAY (SELECT s.secret FROM webhook_secrets s
              WHERE s.user_id = %(user_id)s AND s.webhook_id = w.id
                AND (s.expires_at IS NULL OR s.expires_at > clock_timestamp())
              ORDER BY s.created_at DESC) AS secrets
FROM webhook_deliveries d JOIN webhooks w ON w.user_id = d.user_id AND w.id = d.webhook_id
WHERE d.user_id = %(user_id)s AND d.id = %(id)s::uuid

-- :name set_attempted
UPDATE webhook_deliveries
SET attempts = attempts + %(counted)s, status = %(status)s, error = %(error)s, took_ms = %(took_ms)s, attempted_at = clock_timestamp(),
    delivered_at = CASE WHEN %(outcome)s = 'delivered' THEN clock_timestamp() END,
    failed_at = CASE WHEN %(outcome)s = 'failed' THEN clock_timestamp() END
WHERE user_id = %(user_id)s AND id = %(id)s::uuid

-- :name list_ids
-- :include shown
  AND d.id = ANY (%(ids)s::uuid[])
ORDER BY d.created_at DESC, d.id DESC

-- What was sent again comes last, so that the same filter goes on with the rest.
-- :name find_matching
SELECT d.id::text
FROM webhook_deliveries d JOIN tasks t ON t.user_id = d.user_id AND t.delivery_id = d.id AND t.state <> 'running'
WHERE d.user_id = %(user_id)s AND d.webhook_id = %(webhook_id)s::uuid
  AND (%(state)s::text IS NULL OR %(state)s =
       CASE WHEN d.delivered_at IS NOT NULL THEN 'delivered' WHEN t.state = 'ready' THEN 'pending' ELSE 'failed' END)
  AND (%(event)s::text IS NULL OR d.event = %(event)s)
  AND (%(since)s::timestamptz IS NULL OR d.created_at >= %(since)s)
  AND (%(until)s::timestamptz IS NULL OR d.created_at < %(until)s)
ORDER BY d.retried_from, d.id LIMIT %(limit)s

-- What is being sent at this moment stays as it is.
-- :name send_again
WITH again AS (
    UPDATE tasks SET state = 'ready', attempt = 0, run_after = now(), woken_at = NULL, finished_at = NULL,
        error_code = NULL, error_message = NULL, last_error = NULL
    WHERE user_id = %(user_id)s AND delivery_id = ANY (%(ids)s::uuid[]) AND state <> 'running'
    RETURNING user_id, delivery_id
)
UPDATE webhook_deliveries d SET delivered_at = NULL, failed_at = NULL, retried_from = clock_timestamp()
FROM again WHERE d.user_id = again.user_id AND d.id = again.delivery_id AND d.user_id = %(user_id)s

-- :name prune
DELETE FROM webhook_deliveries WHERE created_at < now() - interval '30 days'
