-- :name insert_rows
SELECT insert_rows(%(of_table)s::text::regclass, %(lines)s) AS refusal

-- :name match_collections
SELECT g.place::int, c.id::text
FROM unnest(%(names)s::text[]) WITH ORDINALITY AS g (name, place)
JOIN collections c ON c.user_id = %(user_id)s AND lower(c.name) = lower(g.name)

-- :name match_concepts
SELECT g.place::int, c.id::text
FROM unnest(%(names)s::text[]) WITH ORDINALITY AS g (name, place)
JOIN concepts c ON c.user_id = %(user_id)s AND lower(c.phrase) = lower(g.name)

-- :name match_items
SELECT sha256, id FROM items WHERE user_id = %(user_id)s AND sha256 = ANY (%(hashes)s::text[])

-- :name taken_collections
SELECT id::text, created_at AS at FROM collections WHERE user_id = %(user_id)s AND id = ANY (%(ids)s::uuid[])

-- :name taken_concepts
SELECT id::text, created_at AS at FROM concepts WHERE user_id = %(user_id)s AND id = ANY (%(ids)s::uuid[])

-- :name taken_conversations
SELECT id::text, created_at AS at FROM conversations WHERE user_id = %(user_id)s AND id = ANY (%(ids)s::uuid[])

-- :name taken_messages
SELECT id::text, created_at AS at FROM messages WHERE user_id = %(user_id)s AND id = ANY (%(ids)s::uuid[])

-- :name taken_exercises
SELECT id::text, created_at AS at FROM exercises WHERE user_id = %(user_id)s AND id = ANY (%(ids)s::uuid[])

-- :name taken_evaluations
SELECT id::text, evaluated_at AS at FROM evaluations WHERE user_id = %(user_id)s AND id = ANY (%(ids)s::uuid[])

-- :name taken_remediations
SELECT id::text, created_at AS at FROM remediations WHERE user_id = %(user_id)s AND id = ANY (%(ids)s::uuid[])

-- :name chunk_ids
SELECT source, ordinal, id FROM chunks WHERE user_id = %(user_id)s AND item_id = %(item_id)s

-- The item's row is there, as that of a new upload; it gets what it had where it was exported.
-- :name restore_item
UPDATE items
SET status = 'EMBEDDING', kind = %(kind)s, media_type = %(media_type)s, size_bytes = %(size_bytes)s, sha256 = %(sha256)s,
    etag = %(etag)s, width_px = %(width_px)s, height_px = %(height_px)s, page_count = %(page_count)s,
    pages_read = %(pages_read)s, unread_pages = %(unread_pages)s::int[], scans_read = %(scans_read)s, title = %(title)s,
    taken_at = %(taken_at)s, camera = %(camera)s, latitude = %(latitude)s, longitude = %(longitude)s,
    created_at = %(created_at)s, thumbnail_key = %(thumbnail_key)s, preview_key = %(preview_key)s,
    derived_bytes = %(derived_bytes)s, updated_at = now()
WHERE user_id = %(user_id)s AND id = %(id)s
