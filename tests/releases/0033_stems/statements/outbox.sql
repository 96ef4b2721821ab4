-- :name insert prepared
INSERT INTO outbox (user_id, item_id, source, detail_type, detail, locked_until)
VALUES (%(user_id)s, %(item_id)s, %(source)s, %(detail_type)s, %(detail)s::jsonb, now() + %(lock_s)s * interval '1 second')
RETURNING id

-- What the bus refuses again and again steps back behind the others: twice the lock each time, at most five minutes.
-- :name claim_due prepared
UPDATE outbox
SET locked_until = clock_timestamp() + least(300, %(lock_s)s * power(2, least(attempts, 10))) * interval '1 second',
    attempts = attempts + 1
WHERE id IN (SELECT id FROM outbox
             WHERE published_at IS NULL AND due_at <= clock_timestamp()
               AND (locked_until IS NULL OR locked_until <= clock_timestamp())
             ORDER BY due_at, id LIMIT %(limit)s FOR UPDATE SKIP LOCKED)
RETURNING id, source, detail_type, detail

-- Items before their events: who deletes an item locks it first, and its events with it.
-- :name lock_items prepared
SELECT 1 FROM outbox o JOIN items i ON i.user_id = o.user_id AND i.id = o.item_id
WHERE o.id = ANY (%(ids)s) ORDER BY i.user_id, i.id FOR KEY SHARE OF i

-- :name set_published prepared
WITH sent AS (
    UPDATE outbox SET published_at = clock_timestamp(), locked_until = NULL
    WHERE id = ANY (%(ids)s) AND published_at IS NULL
    RETURNING user_id, item_id, detail_type
)
INSERT INTO item_events (user_id, item_id, event, message)
SELECT user_id, item_id, 'published', detail_type FROM sent

-- :name prune
DELETE FROM outbox WHERE published_at < now() - interval '7 days'
