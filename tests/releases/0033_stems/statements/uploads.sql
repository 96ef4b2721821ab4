-- :name insert prepared
INSERT INTO uploads (user_id, key, status, filename, content_type, size_bytes, sha256, expires_at)
VALUES (%(user_id)s, %(key)s, 'pending', %(filename)s, %(content_type)s, %(size_bytes)s, %(sha256)s,
        now() + %(ttl_s)s * interval '1 second')
-- the same request again, or its transaction, because an answer was lost on the way
ON CONFLICT (user_id, key) DO UPDATE SET expires_at = excluded.expires_at
RETURNING user_id, id, key, status, filename, content_type, size_bytes, sha256, etag, sequencer, item_id, multipart_id,
          created_at, expires_at, received_at

-- :name find
SELECT user_id, id, key, status, filename, content_type, size_bytes, sha256, etag, sequencer, item_id, multipart_id,
       created_at, expires_at, received_at
FROM uploads WHERE user_id = %(user_id)s AND id = %(id)s::uuid

-- :name set_multipart
UPDATE uploads SET multipart_id = coalesce(multipart_id, %(multipart_id)s)
WHERE user_id = %(user_id)s AND id = %(id)s::uuid
RETURNING multipart_id AS kept

-- :name clear_multipart
UPDATE uploads SET multipart_id = NULL WHERE user_id = %(user_id)s AND id = %(id)s::uuid

-- :name extend
UPDATE uploads SET expires_at = now() + %(ttl_s)s * interval '1 second'
WHERE user_id = %(user_id)s AND id = %(id)s::uuid AND status = 'pending'

-- :name delete_awaited
DELETE FROM uploads WHERE user_id = %(user_id)s AND id = %(id)s::uuid AND status IN ('pending', 'expired')

-- :name take_abandoned
UPDATE uploads u SET multipart_id = NULL
FROM (SELECT user_id, id, key, multipart_id FROM uploads WHERE multipart_id IS NOT NULL AND status <> 'pending'
      LIMIT %(limit)s FOR UPDATE SKIP LOCKED) abandoned
WHERE u.user_id = abandoned.user_id AND u.id = abandoned.id
RETURNING abandoned.key, abandoned.multipart_id

-- :name lock prepared
INSERT INTO uploads AS u (user_id, key, status, filename) VALUES (%(user_id)s, %(key)s, 'pending', %(filename)s)
ON CONFLICT (user_id, key) DO UPDATE SET filename = u.filename
RETURNING user_id, id, key, status, filename, content_type, size_bytes, sha256, etag, sequencer, item_id, multipart_id,
          created_at, expires_at, received_at

-- :name set_received prepared
UPDATE uploads
SET status = 'received', item_id = %(item_id)s,
    sha256 = CASE WHEN etag <> %(etag)s THEN NULL ELSE sha256 END,
    size_bytes = CASE WHEN etag <> %(etag)s THEN NULL ELSE size_bytes END,
    content_type = CASE WHEN etag <> %(etag)s THEN NULL ELSE content_type END, etag = coalesce(%(etag)s, etag), sequencer = coalesce(%(sequencer)s, sequencer),
    received_at = now()
WHERE user_id = %(user_id)s AND key = %(key)s
RETURNING sha256, size_bytes, content_type

-- :name move_to_item prepared
UPDATE uploads SET status = 'duplicate', item_id = %(to_item)s WHERE user_id = %(user_id)s AND item_id = %(from_item)s

-- :name list_objects prepared
SELECT key, etag FROM uploads WHERE user_id = %(user_id)s AND item_id = %(item_id)s ORDER BY received_at, key

-- :name list_known
SELECT user_id, key, etag FROM uploads WHERE key = ANY (%(keys)s) AND status <> 'pending'

-- :name expire
UPDATE uploads SET status = 'expired' WHERE status = 'pending' AND expires_at < now() - interval '1 hour'

-- :name insert_deletions prepared
INSERT INTO object_deletions (user_id, key, etag, created_at)
SELECT %(user_id)s, key, etag, now() + %(after_s)s * interval '1 second'
FROM unnest(%(keys)s::text[], %(etags)s::text[]) AS gone (key, etag)
ON CONFLICT (user_id, key) DO UPDATE SET etag = excluded.etag, created_at = excluded.created_at

-- Another object under the key, or the same bytes written since (S3's events tell whole seconds).
-- :name cancel_deletion prepared
DELETE FROM object_deletions
WHERE user_id = %(user_id)s AND key = %(key)s
  AND (etag <> %(etag)s OR date_trunc('second', created_at) <= %(written_at)s::timestamptz)

-- :name is_deleted prepared
SELECT 1 FROM object_deletions WHERE user_id = %(user_id)s AND key = %(key)s

-- :name detach prepared
UPDATE uploads SET item_id = NULL WHERE user_id = %(user_id)s AND key = %(key)s

-- :name list_deletions
SELECT key, etag FROM object_deletions WHERE created_at <= now() ORDER BY created_at LIMIT %(limit)s

-- :name postpone_deletions
UPDATE object_deletions
SET attempts = attempts + 1, created_at = now() + least(3600, 60 * power(2, least(attempts, 10))) * interval '1 second'
WHERE key = ANY (%(keys)s)

-- :name delete_deletions prepared
DELETE FROM object_deletions WHERE key = ANY (%(keys)s)
