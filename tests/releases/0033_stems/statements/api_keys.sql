-- As the gatekeeper, who knows no user yet. A key's user may have no account.
-- :name find_by_hash
SELECT k.user_id, k.id::text, k.scopes, k.expires_at, a.role, a.plan, a.disabled_at
FROM api_keys k LEFT JOIN accounts a USING (user_id)
WHERE k.sha256 = %(sha256)s AND (k.expires_at IS NULL OR k.expires_at > now())

-- :name set_used
UPDATE api_keys SET last_used_at = now()
WHERE user_id = %(user_id)s AND id = %(id)s::uuid
  AND (last_used_at IS NULL OR last_used_at < now() - interval '1 minute')

-- As its user:
-- :name lock
SELECT pg_advisory_xact_lock(hashtext('api_keys'), hashtext(%(user_id)s))

-- This id is not counted: the insert may run again after the answer of its commit was lost.
-- :name count_others
SELECT count(*)::int AS found FROM api_keys
WHERE user_id = %(user_id)s AND id <> %(id)s::uuid AND (expires_at IS NULL OR expires_at > now())

-- :name insert
INSERT INTO api_keys (user_id, id, name, prefix, sha256, scopes, expires_at)
VALUES (%(user_id)s, %(id)s::uuid, %(name)s, %(prefix)s, %(sha256)s, %(scopes)s::text[], %(expires_at)s::timestamptz)
ON CONFLICT (user_id, id) DO NOTHING

-- :name find
SELECT id::text, name, prefix, scopes, created_at, expires_at, last_used_at FROM api_keys
WHERE user_id = %(user_id)s AND id = %(id)s::uuid

-- :name list_page
SELECT id::text, name, prefix, scopes, created_at, expires_at, last_used_at FROM api_keys
WHERE user_id = %(user_id)s
  AND (%(at)s::timestamptz IS NULL OR (created_at, id::text) < (%(at)s::timestamptz, %(after_id)s::text))
ORDER BY created_at DESC, api_keys.id::text DESC LIMIT %(limit)s

-- :name delete
DELETE FROM api_keys WHERE user_id = %(user_id)s AND id::text = %(id)s
