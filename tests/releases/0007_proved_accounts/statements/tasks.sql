-- :name reset
INSERT INTO tasks (user_id, item_id, stage) VALUES (%(user_id)s, %(item_id)s, %(stage)s)
ON CONFLICT (user_id, item_id, stage) DO UPDATE
SET state = 'ready', attempt = 0, token = NULL, lease_until = NULL, run_after = now(), woken_at = NULL,
    error_code = NULL, error_message = NULL, last_error = NULL, finished_at = NULL

-- :name insert_if_missing
INSERT INTO tasks (user_id, item_id, stage) VALUES (%(user_id)s, %(item_id)s, %(stage)s) ON CONFLICT DO NOTHING

-- :name set_woken
UPDATE tasks SET woken_at = coalesce(%(at)s::timestamptz, clock_timestamp()) WHERE user_id = %(user_id)s AND item_id = %(item_id)s AND stage = %(stage)s

-- :name delete_stages
DELETE FROM tasks WHERE user_id = %(user_id)s AND item_id = %(item_id)s AND stage = ANY (%(stages)s)

-- :name find
SELECT state, attempt FROM tasks WHERE user_id = %(user_id)s AND item_id = %(item_id)s AND stage = %(stage)s

-- The attempt is counted here, so that a crash counts. An expired lease may be taken over.
-- :name claim
UPDATE tasks
SET state = 'running', attempt = attempt + 1, token = gen_random_uuid(), claimed_at = clock_timestamp(),
    lease_until = clock_timestamp() + %(lease_s)s * interval '1 second', woken_at = coalesce(woken_at, now())
WHERE user_id = %(user_id)s AND item_id = %(item_id)s AND stage = %(stage)s AND attempt < %(max_attempts)s
  AND ((state = 'ready' AND run_after <= clock_timestamp()) OR (state = 'running' AND lease_until < clock_timestamp()))
RETURNING token::text, attempt

-- :name lock_item
SELECT 1 FROM items WHERE user_id = %(user_id)s AND id = %(item_id)s FOR UPDATE

-- The fence: only the token of the latest claim, and only while its lease runs.
-- :name hold
SELECT 1 FROM tasks
WHERE user_id = %(user_id)s AND item_id = %(item_id)s AND stage = %(stage)s
  AND state = 'running' AND token = %(token)s::uuid AND lease_until >= clock_timestamp()
FOR UPDATE

-- :name count_anew
UPDATE tasks SET attempt = 1 WHERE user_id = %(user_id)s AND item_id = %(item_id)s AND stage = %(stage)s

-- :name finish
UPDATE tasks
SET state = 'done', token = NULL, lease_until = NULL, finished_at = now(), error_code = NULL, error_message = NULL,
    last_error = NULL
WHERE user_id = %(user_id)s AND item_id = %(item_id)s AND stage = %(stage)s

-- Full jitter: a random wait below base * 2^(attempt-1), capped; a provider's Retry-After is the floor.
-- :name retry
UPDATE tasks
SET state = 'ready', token = NULL, lease_until = NULL, woken_at = NULL, attempt = attempt - %(refund)s,
    error_code = %(code)s, error_message = %(message)s, last_error = %(last_error)s,
    run_after = clock_timestamp() + interval '1 second' * greatest(
        %(at_least_s)s, random() * least(%(cap_s)s, %(base_s)s * power(2, attempt - 1)))
WHERE user_id = %(user_id)s AND item_id = %(item_id)s AND stage = %(stage)s
RETURNING run_after

-- :name fail
UPDATE tasks
SET state = 'failed', token = NULL, lease_until = NULL, finished_at = now(), error_code = %(code)s, error_message = %(message)s,
    last_error = %(last_error)s
WHERE user_id = %(user_id)s AND item_id = %(item_id)s AND stage = %(stage)s

-- :name list_expired
SELECT t.user_id, t.item_id, t.stage, t.attempt, i.key, i.kind
FROM tasks t JOIN items i ON i.user_id = t.user_id AND i.id = t.item_id
WHERE t.state = 'running' AND t.lease_until < clock_timestamp()
ORDER BY t.lease_until LIMIT %(limit)s
FOR UPDATE OF t SKIP LOCKED

-- A wake-up is lost when its stage has overtaken it, and works on tasks that were woken a minute later: the middle of
-- ten claims or more says so, for a few may be of tasks that were woken again. Where there are fewer, or the stage stands
-- still, nobody can tell lost from waiting. Then some are sent again, and their claims tell about the others: 60, or
-- 20 when it has stood still for long. So a backlog is hardly made longer, be it worked on slowly or not at all.
-- All stages' 60 are fewer than a sweep's batch, else its next batch would send 60 more.
-- :name list_lost
WITH claims AS MATERIALIZED (
    SELECT stage, max(woken_at) AS last_woken, max(claimed_at) AS last_claimed,
           CASE WHEN count(*) >= 10 THEN percentile_disc(0.5) WITHIN GROUP (ORDER BY woken_at) END AS middle
    FROM tasks WHERE claimed_at > clock_timestamp() - interval '6 minutes' GROUP BY stage
), waiting AS (
    SELECT t.id, t.stage, t.woken_at, c.last_claimed, coalesce(t.woken_at < c.middle - interval '1 minute', false) AS overtaken
    FROM tasks t LEFT JOIN claims c USING (stage)
    WHERE t.state = 'ready' AND t.run_after <= clock_timestamp()
      AND t.woken_at < clock_timestamp() - %(grace_s)s * interval '1 second'
      AND (t.woken_at < c.last_woken - interval '1 minute'
           OR coalesce(c.last_claimed, '-infinity') <= clock_timestamp() - %(grace_s)s * interval '1 second')
), chosen AS (
    SELECT id, overtaken OR row_number() OVER (PARTITION BY stage, overtaken ORDER BY woken_at DESC)
           <= CASE WHEN last_claimed IS NULL THEN 20 ELSE 60 END AS sent
    FROM waiting
)
SELECT t.user_id, t.item_id, t.stage, i.key, i.kind
FROM chosen c JOIN tasks t USING (id) JOIN items i ON i.user_id = t.user_id AND i.id = t.item_id
WHERE c.sent AND t.state = 'ready' AND t.woken_at < clock_timestamp() - %(grace_s)s * interval '1 second'
ORDER BY t.woken_at LIMIT %(limit)s
FOR UPDATE OF t SKIP LOCKED

-- :name set_unwoken
UPDATE tasks SET woken_at = NULL WHERE user_id = %(user_id)s AND item_id = %(item_id)s AND stage = %(stage)s
