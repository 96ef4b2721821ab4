-- :name insert
INSERT INTO outbox (user_id, item_id, stage, source, detail_type, detail, due_at, locked_until)
VALUES (%(user_id)s, %(item_id)s, %(stage)s, %(source)s, %(detail_type)s, %(detail)s::jsonb,
        coalesce(%(due_at)s, now()), now() + %(lock_s)s * interval '1 second')
RETURNING id

-- :name insert_many
INSERT INTO outbox (user_id, item_id, stage, source, detail_type, detail)
SELECT user_id, item_id, stage, source, detail_type, detail::jsonb
FROM unnest(%(user_ids)s::text[], %(item_ids)s::text[], %(stages)s::text[], %(sources)s::text[],
            %(detail_types)s::text[], %(details)s::text[]) AS e (user_id, item_id, stage, source, detail_type, detail)

-- What the bus refuses again and again steps back behind the others: twice the lock each time, at most five minutes.
-- :name claim_due
UPDATE outbox
SET locked_until = clock_timestamp() + least(300, %(lock_s)s * power(2, least(attempts, 10))) * interval '1 second',
    attempts = attempts + 1
WHERE id IN (SELECT id FROM outbox
             WHERE published_at IS NULL AND due_at <= clock_timestamp()
               AND (locked_until IS NULL OR locked_until <= clock_timestamp())
             ORDER BY due_at, id LIMIT %(limit)s FOR UPDATE SKIP LOCKED)
RETURNING id, stage, source, detail_type, detail

-- :name set_published
WITH sent AS (
    UPDATE outbox SET published_at = clock_timestamp(), locked_until = NULL
    WHERE id = ANY (%(ids)s) AND published_at IS NULL
    RETURNING user_id, item_id, stage, detail_type
), noted AS (
    INSERT INTO item_events (user_id, item_id, stage, event, message)
    SELECT user_id, item_id, stage, 'published', detail_type FROM sent
)
UPDATE tasks t SET woken_at = clock_timestamp()
FROM sent s
WHERE t.user_id = s.user_id AND t.item_id = s.item_id AND t.stage = s.stage AND t.woken_at IS NULL

-- :name prune
DELETE FROM outbox WHERE published_at < now() - interval '7 days'
