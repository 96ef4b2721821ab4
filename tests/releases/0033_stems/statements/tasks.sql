-- :name reset prepared
INSERT INTO tasks (user_id, item_id, stage) VALUES (%(user_id)s, %(item_id)s, %(stage)s)
ON CONFLICT (user_id, item_id, stage) DO UPDATE
SET state = 'ready', attempt = 0, token = NULL, lease_until = NULL, run_after = now(), woken_at = NULL,
    error_code = NULL, error_message = NULL, last_error = NULL, finished_at = NULL

-- :name insert_if_missing prepared
INSERT INTO tasks (user_id, item_id, stage) VALUES (%(user_id)s, %(item_id)s, %(stage)s) ON CONFLICT DO NOTHING

-- A run that its own request begins to work on counts as woken: no message is sent for it at once.
-- :name insert_run prepared
INSERT INTO tasks (user_id, run_id, stage, input, woken_at, run_after)
VALUES (%(user_id)s, %(run_id)s::uuid, %(kind)s, %(input)s::jsonb, CASE WHEN %(is_woken)s THEN now() END,
        now() + %(delay_s)s * interval '1 second')
ON CONFLICT (user_id, run_id) DO NOTHING

-- :name delete_stages
DELETE FROM tasks WHERE user_id = %(user_id)s AND item_id = %(item_id)s AND stage = ANY (%(stages)s)

-- :name find prepared
SELECT id AS task_id, state, attempt FROM tasks
WHERE user_id = %(user_id)s AND item_id = %(item_id)s AND stage = %(stage)s

-- :name get_run prepared
SELECT run_id::text AS id, id AS task_id, stage AS kind, state, output, attempt, error_code, error_message, run_after,
       created_at, started_at, finished_at
FROM tasks WHERE user_id = %(user_id)s AND run_id = %(run_id)s::uuid

-- Claims of one user and kind are made one after the other, so that they count each other. The item is locked first, here
-- as wherever both it and its task are, so that no two wait for each other.
-- :name lock_claims prepared
WITH item AS MATERIALIZED (
    SELECT 1 FROM tasks t JOIN items i ON i.user_id = t.user_id AND i.id = t.item_id
    WHERE t.user_id = %(user_id)s AND t.id = %(task_id)s
    FOR UPDATE OF i
)
SELECT pg_advisory_xact_lock(hashtextextended('claim ' || %(kind)s || ' ' || %(user_id)s, 0))
WHERE (SELECT count(*) FROM item) >= 0

-- The attempt is counted here, so that a crash counts. An expired lease may be taken over. A driver looks again and again,
-- and notes what it does itself (ops/jobs/drive.py).
-- :name claim prepared
WITH claimed AS (
    UPDATE tasks
    SET state = 'running', attempt = attempt + 1, token = gen_random_uuid(), claimed_at = clock_timestamp(),
        started_at = coalesce(started_at, clock_timestamp()), woken_at = coalesce(woken_at, now()),
        lease_until = clock_timestamp() + %(lease_s)s * interval '1 second'
    WHERE user_id = %(user_id)s AND id = %(task_id)s AND stage = %(kind)s AND attempt < %(max_attempts)s
      AND ((state = 'ready' AND run_after <= clock_timestamp()) OR (state = 'running' AND lease_until < clock_timestamp()))
      AND (SELECT count(*) FROM tasks
           WHERE user_id = %(user_id)s AND stage = %(kind)s AND state = 'running' AND lease_until >= clock_timestamp()
             AND id <> %(task_id)s) < %(at_once)s
    RETURNING id AS task_id, token::text, attempt, item_id, run_id, input
), noted AS (
    INSERT INTO item_events (user_id, item_id, run_id, stage, event, attempt)
    SELECT %(user_id)s, item_id, run_id, %(kind)s, 'started', attempt FROM claimed
    WHERE num_nonnulls(item_id, run_id) = 1 AND %(kind)s <> 'job'
)
SELECT task_id, token, attempt, item_id, run_id::text, input,
       (SELECT f.run_id::text FROM run_files f
        WHERE f.user_id = %(user_id)s AND f.item_id = claimed.item_id AND f.outcome IS NULL AND f.started_at IS NOT NULL LIMIT 1) AS part_of
FROM claimed

-- A due task whose claim found all of the user's places taken waits for one without a message.
-- :name give_way prepared
UPDATE tasks SET woken_at = NULL
WHERE user_id = %(user_id)s AND id = %(task_id)s AND stage = %(kind)s AND attempt < %(max_attempts)s
  AND state = 'ready' AND run_after <= clock_timestamp()

-- Claims of a kind that all users share a bound of are made one after the other, so that they count each other.
-- :name lock_kind
SELECT pg_advisory_xact_lock(hashtextextended('claim ' || %(kind)s, 0))

-- :name count_at_work
SELECT count_at_work(%(kind)s) AS n

-- :name put_off
UPDATE tasks SET woken_at = NULL, run_after = clock_timestamp() + %(delay_s)s * interval '1 second'
WHERE user_id = %(user_id)s AND id = %(task_id)s AND stage = %(kind)s AND attempt < %(max_attempts)s
  AND state = 'ready' AND run_after <= clock_timestamp()

-- The fence: only the token of the latest claim, and only while its lease runs. The item is locked before the task.
-- :name hold prepared
WITH item AS MATERIALIZED (
    SELECT 1 FROM tasks t JOIN items i ON i.user_id = t.user_id AND i.id = t.item_id
    WHERE t.user_id = %(user_id)s AND t.id = %(task_id)s
    FOR UPDATE OF i
)
SELECT 1 FROM tasks
WHERE user_id = %(user_id)s AND id = %(task_id)s AND (SELECT count(*) FROM item) >= 0
  AND state = 'running' AND token = %(token)s::uuid AND lease_until >= clock_timestamp()
FOR UPDATE

-- :name count_anew prepared
UPDATE tasks SET attempt = 1 WHERE user_id = %(user_id)s AND id = %(task_id)s

-- :name get_attempt prepared
SELECT attempt FROM tasks WHERE user_id = %(user_id)s AND id = %(task_id)s

-- Nothing is noted of a task that has gone, with its item.
-- :name finish prepared
WITH done AS (
    UPDATE tasks
    SET state = 'done', output = %(output)s::jsonb, token = NULL, lease_until = NULL, finished_at = now(),
        error_code = NULL, error_message = NULL, last_error = NULL
    WHERE user_id = %(user_id)s AND id = %(task_id)s
    RETURNING user_id, item_id, run_id, stage
)
INSERT INTO item_events (user_id, item_id, run_id, stage, event, attempt)
SELECT user_id, item_id, run_id, stage, 'finished', %(attempt)s FROM done WHERE num_nonnulls(item_id, run_id) = 1

-- :name release prepared
UPDATE tasks
SET state = 'ready', attempt = 0, token = NULL, lease_until = NULL, woken_at = NULL,
    run_after = clock_timestamp() + %(delay_s)s * interval '1 second',
    error_code = NULL, error_message = NULL, last_error = NULL
WHERE user_id = %(user_id)s AND id = %(task_id)s

-- A delayed message may be on its way already; it will find nothing to do.
-- :name hasten prepared
UPDATE tasks SET run_after = clock_timestamp(), woken_at = NULL
WHERE user_id = %(user_id)s AND run_id = %(run_id)s::uuid AND state = 'ready' AND run_after > clock_timestamp()

-- :name restart_run prepared
UPDATE tasks
SET state = 'ready', attempt = 0, token = NULL, lease_until = NULL, run_after = clock_timestamp(), woken_at = NULL,
    error_code = NULL, error_message = NULL, last_error = NULL, finished_at = NULL
WHERE user_id = %(user_id)s AND run_id = %(run_id)s::uuid

-- :name cancel_stages prepared
WITH cancelled AS (
    UPDATE tasks SET state = 'cancelled', token = NULL, lease_until = NULL, finished_at = clock_timestamp()
    WHERE user_id = %(user_id)s AND item_id = ANY (%(item_ids)s) AND state IN ('ready', 'running')
    RETURNING user_id, item_id, stage
)
INSERT INTO item_events (user_id, item_id, stage, event, message)
SELECT user_id, item_id, stage, 'cancelled', 'Its run was stopped.' FROM cancelled

-- Full jitter: a random wait below base * 2^(attempt-1), capped; a provider's Retry-After is the floor.
-- :name retry prepared
UPDATE tasks
SET state = 'ready', token = NULL, lease_until = NULL, woken_at = NULL, attempt = attempt - %(refund)s,
    error_code = %(code)s, error_message = %(message)s, last_error = %(last_error)s,
    run_after = clock_timestamp() + interval '1 second' * greatest(
        %(at_least_s)s, random() * least(%(cap_s)s, %(base_s)s * power(2, attempt - 1)))
WHERE user_id = %(user_id)s AND id = %(task_id)s

-- :name fail prepared
UPDATE tasks
SET state = 'failed', token = NULL, lease_until = NULL, finished_at = now(), error_code = %(code)s,
    error_message = %(message)s, last_error = %(last_error)s
WHERE user_id = %(user_id)s AND id = %(task_id)s

-- :name cancel_run
WITH cancelled AS (
    UPDATE tasks SET state = 'cancelled', token = NULL, lease_until = NULL, finished_at = clock_timestamp()
    WHERE user_id = %(user_id)s AND run_id = %(run_id)s::uuid AND state IN ('ready', 'running')
    RETURNING user_id, run_id, stage
)
INSERT INTO item_events (user_id, run_id, stage, event, message)
SELECT user_id, run_id, stage, 'cancelled', 'Asked for by the user.' FROM cancelled

-- Items are locked before their tasks, as everywhere, and in one order.
-- :name lock_items
SELECT 1 FROM tasks t JOIN items i ON i.user_id = t.user_id AND i.id = t.item_id
WHERE t.id = ANY (%(ids)s) ORDER BY i.user_id, i.id FOR UPDATE OF i

-- Kinds that only a later release knows are left to it.
-- :name find_expired
SELECT id FROM tasks
WHERE state = 'running' AND lease_until < clock_timestamp() AND stage = ANY (%(kinds)s)
ORDER BY lease_until LIMIT %(limit)s

-- :name list_expired
SELECT user_id, id AS task_id, stage AS kind, item_id, run_id::text, attempt
FROM tasks WHERE id = ANY (%(ids)s) AND state = 'running' AND lease_until < clock_timestamp()
ORDER BY lease_until
FOR UPDATE SKIP LOCKED

-- Wake-ups of one user are sent by one process at a time, so that they count each other. Several users are locked in
-- the order of their locks, so that no two processes wait for each other.
-- :name lock_wakes prepared
SELECT pg_advisory_xact_lock(lock)
FROM (SELECT hashtextextended('wake ' || user_id, 0) AS lock FROM unnest(%(user_ids)s::text[]) AS u (user_id) ORDER BY 1) l

-- As many due tasks as there are free places, in order; and those that become due within the longest delay of a message.
-- A place is taken by a message that is due and by a worker with a living lease. Postgres keeps the plan, as it does not
-- look into arrays that are sub-selects; the array of ids has it look up what is woken instead of reading all of a user's.
-- :name wake prepared
WITH policies AS (
    SELECT * FROM unnest((SELECT %(kinds)s::text[]), (SELECT %(at_once)s::int[])) AS p (kind, at_once)
), free AS (
    SELECT u.user_id, p.kind, p.at_once - (
        SELECT count(*) FROM tasks t
        WHERE t.user_id = u.user_id AND t.stage = p.kind AND t.woken_at IS NOT NULL AND t.state IN ('ready', 'running')
          AND CASE t.state WHEN 'ready' THEN t.run_after <= clock_timestamp() ELSE t.lease_until >= clock_timestamp() END
    ) AS places
    FROM unnest((SELECT %(user_ids)s::text[])) AS u (user_id) CROSS JOIN policies p
), due AS (
    SELECT c.id FROM free f CROSS JOIN LATERAL (
        SELECT id FROM tasks
        WHERE user_id = f.user_id AND stage = f.kind AND state = 'ready' AND woken_at IS NULL AND run_after <= clock_timestamp()
        ORDER BY run_after, id LIMIT greatest(f.places, 0) FOR UPDATE SKIP LOCKED) c
), soon AS (
    SELECT c.id FROM free f CROSS JOIN LATERAL (
        SELECT id FROM tasks
        WHERE user_id = f.user_id AND stage = f.kind AND state = 'ready' AND woken_at IS NULL
          AND run_after > clock_timestamp() AND run_after <= clock_timestamp() + %(max_delay_s)s * interval '1 second'
        ORDER BY run_after, id LIMIT 100 FOR UPDATE SKIP LOCKED) c
)
UPDATE tasks SET woken_at = clock_timestamp()
WHERE id = ANY (ARRAY(SELECT id FROM due UNION ALL SELECT id FROM soon))
RETURNING user_id, id AS task_id, stage AS kind,
          greatest(0, ceil(extract(epoch FROM run_after - clock_timestamp())))::int AS delay_s

-- :name unmark prepared
UPDATE tasks SET woken_at = NULL WHERE id = ANY (%(ids)s)

-- :name list_waiting_users
SELECT DISTINCT user_id FROM tasks
WHERE user_id > %(after)s AND state = 'ready' AND woken_at IS NULL
  AND run_after <= clock_timestamp() + %(max_delay_s)s * interval '1 second'
ORDER BY user_id LIMIT %(limit)s

-- :name set_unwoken
UPDATE tasks SET woken_at = NULL WHERE user_id = %(user_id)s AND id = %(task_id)s AND state = 'ready'

-- The queue holds fewer messages than tasks were woken: so many are lost. The oldest wake-ups are taken for those.
-- :name find_lost
WITH woken AS (
    SELECT count(*) AS n FROM tasks WHERE state = 'ready' AND woken_at IS NOT NULL AND stage = ANY (%(kinds)s)
)
SELECT id FROM tasks
WHERE state = 'ready' AND stage = ANY (%(kinds)s) AND woken_at < clock_timestamp() - %(grace_s)s * interval '1 second'
  AND run_after <= clock_timestamp()
ORDER BY woken_at LIMIT (SELECT greatest(0, n - %(messages)s) FROM woken)

-- :name unwake_lost
WITH lost AS (
    SELECT id FROM tasks
    WHERE id = ANY (%(ids)s) AND state = 'ready' AND woken_at < clock_timestamp() - %(grace_s)s * interval '1 second'
    FOR UPDATE SKIP LOCKED
), unwoken AS (
    UPDATE tasks t SET woken_at = NULL FROM lost WHERE t.id = lost.id RETURNING t.user_id, t.item_id, t.run_id, t.stage
), noted AS (
    INSERT INTO item_events (user_id, item_id, run_id, stage, event)
    SELECT user_id, item_id, run_id, stage, 'woken again' FROM unwoken WHERE num_nonnulls(item_id, run_id) = 1
)
SELECT count(*)::int AS n FROM unwoken

-- :name prune_runs
DELETE FROM tasks
WHERE run_id IS NOT NULL AND finished_at < now() - interval '30 days'
  AND stage <> 'job' -- ops/jobs/watch.py deletes these, with their objects

-- :name adopt_runs
SELECT adopt_runs('1 minute')

-- The delivery of a webhook has no timeline: it has the log of its webhook.
-- :name note prepared
INSERT INTO item_events (user_id, item_id, run_id, stage, event, attempt, message)
SELECT %(user_id)s, %(item_id)s, %(run_id)s::uuid, %(kind)s, %(event)s, %(attempt)s, %(message)s
WHERE num_nonnulls(%(item_id)s::text, %(run_id)s::uuid) = 1

-- :name note_run prepared
INSERT INTO item_events (user_id, run_id, stage, event, message)
SELECT user_id, run_id, stage, %(event)s, %(message)s FROM tasks WHERE user_id = %(user_id)s AND run_id = %(run_id)s::uuid

-- :name list_run_events
SELECT id, at, stage, event, attempt, message FROM item_events
WHERE user_id = %(user_id)s AND run_id = %(run_id)s::uuid AND id > %(after)s ORDER BY id LIMIT %(limit)s
