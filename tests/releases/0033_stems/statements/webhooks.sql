-- :name lock
SELECT pg_advisory_xact_lock(hashtext('webhooks'), hashtext(%(user_id)s))

-- This id is not counted: the insert may run again after the answer of its commit was lost.
-- :name count_others
SELECT count(*)::int AS found FROM webhooks WHERE user_id = %(user_id)s AND id <> %(id)s::uuid

-- :name insert
INSERT INTO webhooks (user_id, id, url, description, events, enabled)
VALUES (%(user_id)s, %(id)s::uuid, %(url)s, %(description)s, %(events)s::text[], %(enabled)s)
ON CONFLICT (user_id, id) DO NOTHING

-- :name shown
SELECT id::text, url, description, events, enabled, disabled_reason, created_at, updated_at FROM webhooks
WHERE user_id = %(user_id)s

-- :name find
-- :include shown
  AND id = %(id)s::uuid

-- :name list_page
-- :include shown
  AND (%(after_at)s::timestamptz IS NULL OR (created_at, id) < (%(after_at)s, %(after_id)s::uuid))
ORDER BY created_at DESC, id DESC LIMIT %(limit)s

-- :name update
UPDATE webhooks
SET url = coalesce(%(url)s, url), description = coalesce(%(description)s, description),
    events = coalesce(%(events)s::text[], events), enabled = coalesce(%(enabled)s, enabled),
    disabled_reason = CASE WHEN %(enabled)s IS NULL THEN disabled_reason END, updated_at = now()
WHERE user_id = %(user_id)s AND id = %(id)s::uuid

-- :name disable
UPDATE webhooks SET enabled = false, disabled_reason = %(reason)s, updated_at = now()
WHERE user_id = %(user_id)s AND id = %(id)s::uuid AND enabled

-- :name delete
DELETE FROM webhooks WHERE user_id = %(user_id)s AND id = %(id)s::uuid

-- :name add_secret
INSERT INTO webhook_secrets (user_id, webhook_id, secret) VALUES (%(user_id)s, %(id)s::uuid, %(secret)s)
ON CONFLICT DO NOTHING

-- An old secret ends no later than it was to end already; those that are over go.
-- :name end_secrets
WITH over AS (
    DELETE FROM webhook_secrets
    WHERE user_id = %(user_id)s AND webhook_id = %(id)s::uuid AND expires_at <= clock_timestamp()
)
UPDATE webhook_secrets SET expires_at = least(expires_at, clock_timestamp() + %(keep_s)s * interval '1 second')
WHERE user_id = %(user_id)s AND webhook_id = %(id)s::uuid
  AND (expires_at IS NULL OR expires_at > clock_timestamp())

-- :name count_secrets
SELECT count(*)::int AS found FROM webhook_secrets
WHERE user_id = %(user_id)s AND webhook_id = %(id)s::uuid
  AND (expires_at IS NULL OR expires_at > clock_timestamp())
