-- :name insert
INSERT INTO jobs (user_id, id, name, description, kind, parameters, collection_id, webhook_id, max_cost_usd, schedule,
                  next_run_at)
VALUES (%(user_id)s, %(id)s::uuid, %(name)s, %(description)s, %(kind)s, %(parameters)s::jsonb, %(collection_id)s::uuid,
        %(webhook_id)s::uuid, %(max_cost_usd)s, %(schedule)s, %(next_run_at)s)
ON CONFLICT (user_id, id) DO NOTHING

-- :name update
UPDATE jobs
SET name = %(name)s, description = %(description)s, parameters = %(parameters)s::jsonb, collection_id = %(collection_id)s::uuid,
    webhook_id = %(webhook_id)s::uuid, max_cost_usd = %(max_cost_usd)s, schedule = %(schedule)s, next_run_at = %(next_run_at)s,
    updated_at = now()
WHERE user_id = %(user_id)s AND id = %(id)s::uuid

-- :name owned
SELECT id::text, name, description, kind, parameters, collection_id::text, webhook_id::text, max_cost_usd, schedule, next_run_at,
       created_at, updated_at
FROM jobs WHERE user_id = %(user_id)s

-- :name get
-- :include owned
  AND id = %(id)s::uuid

-- :name lock
-- :include owned
  AND id = %(id)s::uuid FOR UPDATE

-- :name list
-- :include owned
  AND (%(kind)s::text IS NULL OR kind = %(kind)s)
  AND (%(after_at)s::timestamptz IS NULL OR (created_at, id) < (%(after_at)s, %(after_id)s::uuid))
ORDER BY created_at DESC, id DESC LIMIT %(limit)s

-- :name delete
DELETE FROM jobs WHERE user_id = %(user_id)s AND id = %(id)s::uuid

-- :name set_next_run
UPDATE jobs SET next_run_at = %(at)s WHERE user_id = %(user_id)s AND id = %(id)s::uuid

-- :name list_due
SELECT user_id, id::text FROM jobs WHERE next_run_at <= clock_timestamp() ORDER BY next_run_at LIMIT %(limit)s
