-- :name insert
INSERT INTO conversations (user_id, id, title) VALUES (%(user_id)s, %(id)s::uuid, %(title)s)
ON CONFLICT (user_id, id) DO NOTHING

-- A conversation without a title is shown with its first question.
-- :name list
SELECT c.id::text, coalesce(nullif(c.title, ''), left(q.content, 80), '') AS title, c.created_at, c.updated_at,
       (SELECT count(*) FROM messages m WHERE m.user_id = c.user_id AND m.conversation_id = c.id) AS message_count
FROM conversations c
LEFT JOIN messages q ON q.user_id = c.user_id AND q.conversation_id = c.id AND q.ordinal = 1
WHERE c.user_id = %(user_id)s
  AND (%(id)s::uuid IS NULL OR c.id = %(id)s::uuid)
  AND (%(after_at)s::timestamptz IS NULL OR (c.updated_at, c.id) < (%(after_at)s, %(after_id)s::uuid))
ORDER BY c.updated_at DESC, c.id DESC LIMIT %(limit)s

-- :name lock
SELECT 1 FROM conversations WHERE user_id = %(user_id)s AND id = %(id)s::uuid FOR UPDATE

-- :name set_title
UPDATE conversations SET title = %(title)s WHERE user_id = %(user_id)s AND id = %(id)s::uuid

-- :name touch
UPDATE conversations SET updated_at = clock_timestamp() WHERE user_id = %(user_id)s AND id = %(id)s::uuid

-- Delete also the stored responses of its idempotency keys: they contain answers.
-- :name delete
WITH kept AS (
    DELETE FROM idempotency_keys WHERE user_id = %(user_id)s AND creation_id IN (
        SELECT run_id FROM tasks WHERE user_id = %(user_id)s AND run_id IS NOT NULL AND input ->> 'conversation_id' = %(id)s)
)
DELETE FROM conversations WHERE user_id = %(user_id)s AND id = %(id)s::uuid
