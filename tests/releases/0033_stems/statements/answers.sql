-- :name find
SELECT answer FROM model_answers
WHERE user_id = %(user_id)s AND key = %(key)s AND stored_at > now() - %(days)s * interval '1 day'

-- An item that was deleted meanwhile has no answer, and a user who stored nothing yet has no row.
-- :name upsert
INSERT INTO model_answers (user_id, key, item_id, answer)
SELECT %(user_id)s, %(key)s, %(item_id)s, %(answer)s::bytea
WHERE EXISTS (SELECT FROM users WHERE id = %(user_id)s)
  AND (%(item_id)s::text IS NULL
       OR EXISTS (SELECT FROM items WHERE user_id = %(user_id)s AND id = %(item_id)s FOR KEY SHARE))
ON CONFLICT (user_id, key) DO UPDATE
SET item_id = excluded.item_id, answer = excluded.answer, stored_at = excluded.stored_at

-- :name trim
DELETE FROM model_answers WHERE (user_id, key) IN (
    SELECT user_id, key FROM model_answers WHERE user_id = %(user_id)s ORDER BY stored_at DESC, key OFFSET %(keep)s)

-- :name prune
DELETE FROM model_answers WHERE stored_at <= now() - %(days)s * interval '1 day'
