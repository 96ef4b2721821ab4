-- :name insert prepared
INSERT INTO items (user_id, id, key, name, etag, status)
VALUES (%(user_id)s, %(id)s, %(key)s, %(name)s, %(etag)s, 'PENDING')
ON CONFLICT (user_id, id) DO NOTHING
RETURNING id

-- :name owned
SELECT id, key, name, kind, status, failure_code, failure_message, media_type, size_bytes, sha256, etag, generation,
       width_px, height_px, page_count, pages_read, unread_pages, scans_read, title, taken_at, camera, latitude, longitude,
       thumbnail_key, preview_key, created_at, updated_at, ready_at
FROM items
WHERE user_id = %(user_id)s

-- :name find prepared
-- :include owned
  AND id = %(id)s

-- :name lock prepared
-- :include owned
  AND id = %(id)s FOR UPDATE

-- In one order, so that no two wait for each other.
-- :name lock_all prepared
SELECT id FROM items WHERE user_id = %(user_id)s AND id = ANY (%(ids)s) ORDER BY id FOR KEY SHARE

-- :name find_by_sha256 prepared
-- :include owned
  AND sha256 = %(sha256)s

-- :name lock_sha256 prepared
SELECT pg_advisory_xact_lock(hashtext('item'), hashtext(%(user_id)s || %(sha256)s))

-- :name set_content prepared
UPDATE items
SET sha256 = %(sha256)s, size_bytes = %(size_bytes)s, etag = %(etag)s, updated_at = now(),
    pages_read = CASE WHEN sha256 = %(sha256)s AND pages_read < page_count THEN pages_read ELSE 0 END
WHERE user_id = %(user_id)s AND id = %(id)s
RETURNING pages_read, page_count

-- :name set_pages_read prepared
UPDATE items SET pages_read = %(pages_read)s, updated_at = now()
WHERE user_id = %(user_id)s AND id = %(id)s AND pages_read = coalesce(%(before)s, pages_read)

-- :name add_unread_pages prepared
UPDATE items SET unread_pages = unread_pages || %(pages)s::int[] WHERE user_id = %(user_id)s AND id = %(id)s

-- :name forget_unread_pages
UPDATE items SET unread_pages = '{}', scans_read = 0 WHERE user_id = %(user_id)s AND id = %(id)s

-- :name set_scan_read prepared
UPDATE items SET unread_pages = array_remove(unread_pages, %(page)s), scans_read = scans_read + 1, updated_at = now()
WHERE user_id = %(user_id)s AND id = %(id)s AND %(page)s = ANY (unread_pages)

-- :name set_processed prepared
UPDATE items
SET kind = %(kind)s, media_type = %(media_type)s,
    width_px = %(width_px)s, height_px = %(height_px)s, page_count = %(page_count)s, title = %(title)s,
    pages_read = %(pages_read)s, unread_pages = %(unread_pages)s::int[], scans_read = 0,
    taken_at = %(taken_at)s, camera = %(camera)s, latitude = %(latitude)s, longitude = %(longitude)s,
    thumbnail_key = %(thumbnail_key)s, preview_key = %(preview_key)s, derived_bytes = %(derived_bytes)s, updated_at = now()
WHERE user_id = %(user_id)s AND id = %(id)s

-- :name set_status prepared
UPDATE items
SET status = %(status)s, failure_code = NULL, failure_message = NULL, updated_at = now(),
    ready_at = CASE WHEN %(status)s = 'READY' THEN now() ELSE ready_at END
WHERE user_id = %(user_id)s AND id = %(id)s

-- :name begin prepared
UPDATE items SET status = %(status)s, failure_code = NULL, failure_message = NULL, updated_at = now()
WHERE user_id = %(user_id)s AND id = %(id)s
RETURNING id, key, name, kind, status, failure_code, failure_message, media_type, size_bytes, sha256, etag, generation,
          width_px, height_px, page_count, pages_read, unread_pages, scans_read, title, taken_at, camera, latitude, longitude,
          thumbnail_key, preview_key, created_at, updated_at, ready_at

-- :name set_failed prepared
UPDATE items
SET status = 'FAILED', failure_code = %(code)s, failure_message = %(message)s, updated_at = now()
WHERE user_id = %(user_id)s AND id = %(id)s

-- :name lock_many prepared
SELECT id FROM items WHERE user_id = %(user_id)s AND id = ANY (%(ids)s) ORDER BY id FOR UPDATE

-- :name fail_all
UPDATE items
SET status = 'FAILED', failure_code = %(code)s, failure_message = %(message)s, updated_at = now()
WHERE user_id = %(user_id)s AND id = ANY (%(ids)s) AND status NOT IN ('READY', 'FAILED')
RETURNING id

-- :name restart prepared
UPDATE items
SET status = 'PENDING', failure_code = NULL, failure_message = NULL, generation = generation + 1, pages_read = 0, updated_at = now(),
    key = %(key)s, name = %(name)s, etag = %(etag)s,
    sha256 = CASE WHEN etag IS DISTINCT FROM %(etag)s THEN NULL ELSE sha256 END
WHERE user_id = %(user_id)s AND id = %(id)s

-- :name clear_derived
UPDATE items
SET thumbnail_key = NULL, preview_key = NULL, derived_bytes = 0, kind = NULL, sha256 = NULL, unread_pages = '{}', scans_read = 0
WHERE user_id = %(user_id)s AND id = %(id)s

-- :name move_key
UPDATE items SET key = %(key)s, updated_at = now() WHERE user_id = %(user_id)s AND id = %(id)s

-- :name delete
DELETE FROM items WHERE user_id = %(user_id)s AND id = %(id)s

-- :name described
SELECT i.id, i.key, i.name, i.kind, i.status, i.failure_code, i.failure_message, i.media_type, i.size_bytes, i.sha256,
       i.etag, i.generation, i.width_px, i.height_px, i.page_count, i.pages_read, i.unread_pages, i.scans_read, i.title,
       i.taken_at, i.camera, i.latitude, i.longitude, i.thumbnail_key, i.preview_key, i.created_at, i.updated_at, i.ready_at,
       a.category, a.summary, a.labels, a.text_in_image, a.language, a.provider, a.model, a.cached
FROM items i
LEFT JOIN analyses a ON a.user_id = i.user_id AND a.item_id = i.id AND a.is_current
WHERE i.user_id = %(user_id)s

-- :name list
-- :include described
  AND (%(kind)s::text IS NULL OR i.kind = %(kind)s)
  AND (%(status)s::text IS NULL OR i.status = %(status)s)
  AND (%(tag)s::text IS NULL OR %(tag)s = ANY (a.labels))
  AND (%(text)s::text[] IS NULL OR concat_ws(' ', i.name, i.title, a.category, a.summary) ILIKE ANY (%(text)s::text[]))
  AND (%(since)s::timestamptz IS NULL OR i.created_at >= %(since)s)
  AND (%(until)s::timestamptz IS NULL OR i.created_at < %(until)s)
  AND (%(collection_id)s::uuid IS NULL OR EXISTS (
          SELECT FROM collection_items c
          WHERE c.user_id = i.user_id AND c.collection_id = %(collection_id)s::uuid AND c.item_id = i.id))
  AND (%(after_at)s::timestamptz IS NULL OR (i.created_at, i.id) < (%(after_at)s, %(after_id)s))
ORDER BY i.created_at DESC, i.id DESC
LIMIT %(limit)s

-- :name get_with_analysis
-- :include described
  AND i.id = %(id)s

-- :name retire_analysis prepared
UPDATE analyses SET is_current = false WHERE user_id = %(user_id)s AND item_id = %(id)s AND is_current

-- :name insert_analysis prepared
INSERT INTO analyses (user_id, item_id, version, is_current, category, summary, labels, text_in_image, language, provider, model,
                      cached)
SELECT %(user_id)s, %(id)s, coalesce(max(version), 0) + 1, true, %(category)s, %(summary)s, %(labels)s::text[],
       %(text_in_image)s, %(language)s, %(provider)s, %(model)s, %(cached)s
FROM analyses WHERE user_id = %(user_id)s AND item_id = %(id)s

-- :name note prepared
INSERT INTO item_events (user_id, item_id, stage, event, attempt, message)
VALUES (%(user_id)s, %(id)s, %(stage)s, %(event)s, %(attempt)s, %(message)s)

-- :name timeline
SELECT id, at, stage, event, attempt, message FROM item_events
WHERE user_id = %(user_id)s AND item_id = %(id)s AND id > %(after)s ORDER BY id LIMIT %(limit)s
