-- A new key; or one of more than 24 hours, as good as new; or one whose holder died before it answered,
-- taken over with its creation_id; or our own, when this is run again because its commit's answer was lost.
-- :name claim
INSERT INTO idempotency_keys AS k (user_id, key, fingerprint, token, locked_until)
VALUES (%(user_id)s, %(key)s, %(fingerprint)s, %(token)s::uuid, clock_timestamp() + %(lock_s)s * interval '1 second')
ON CONFLICT (user_id, key) DO UPDATE
SET fingerprint = excluded.fingerprint, token = excluded.token, locked_until = excluded.locked_until,
    creation_id = CASE WHEN k.created_at < now() - interval '24 hours' THEN excluded.creation_id ELSE k.creation_id END,
    created_at = CASE WHEN k.created_at < now() - interval '24 hours' THEN excluded.created_at ELSE k.created_at END,
    status = NULL, headers = NULL, body = NULL
WHERE k.created_at < now() - interval '24 hours'
   OR (k.fingerprint = excluded.fingerprint AND k.status IS NULL
       AND (k.locked_until < clock_timestamp() OR k.token = excluded.token))
RETURNING creation_id::text

-- :name find
SELECT fingerprint, status, headers, body,
       extract(epoch FROM locked_until - clock_timestamp())::float8 AS locked_for_s
FROM idempotency_keys WHERE user_id = %(user_id)s AND key = %(key)s

-- :name set_answer
UPDATE idempotency_keys SET status = %(status)s, headers = %(headers)s::jsonb, body = %(body)s
WHERE user_id = %(user_id)s AND key = %(key)s AND token = %(token)s::uuid

-- :name delete
DELETE FROM idempotency_keys
WHERE user_id = %(user_id)s AND key = %(key)s AND token = %(token)s::uuid AND status IS NULL

-- :name prune
DELETE FROM idempotency_keys WHERE created_at < now() - interval '24 hours'
