-- :name insert
INSERT INTO run_files (user_id, run_id, number, name, key, size_bytes, item_id, outcome, code, message, page, line, finished_at)
SELECT %(user_id)s, %(run_id)s::uuid, number, name, key, size_bytes, item_id, outcome, code, message, page, line,
       CASE WHEN outcome IS NOT NULL THEN now() END
FROM unnest(%(number)s::int[], %(name)s::text[], %(key)s::text[], %(size_bytes)s::bigint[], %(item_id)s::text[],
            %(outcome)s::text[], %(code)s::text[], %(message)s::text[], %(page)s::int[], %(line)s::int[])
     AS f (number, name, key, size_bytes, item_id, outcome, code, message, page, line)
ON CONFLICT (user_id, run_id, number) DO NOTHING

-- :name insert_items
INSERT INTO run_files (user_id, run_id, number, name, size_bytes, key, item_id)
SELECT user_id, %(run_id)s::uuid, row_number() OVER (ORDER BY created_at, id), name, size_bytes, key, id
FROM items
WHERE user_id = %(user_id)s
  AND (%(item_ids)s::text[] IS NULL OR id = ANY (%(item_ids)s::text[]))
  AND (%(status)s::text IS NULL OR status = %(status)s)
  AND (%(kind)s::text IS NULL OR kind = %(kind)s)
  AND (%(collection_id)s::uuid IS NULL OR EXISTS (
          SELECT FROM collection_items c
          WHERE c.user_id = items.user_id AND c.collection_id = %(collection_id)s::uuid AND c.item_id = items.id))
ORDER BY created_at, id LIMIT %(limit)s
ON CONFLICT (user_id, run_id, number) DO NOTHING

-- What a run that is over has not begun has no outcome until its driver has written the files of results.
-- :name insert_failed
INSERT INTO run_files (user_id, run_id, number, name, size_bytes, key, item_id, line)
SELECT user_id, %(run_id)s::uuid, row_number() OVER (ORDER BY number), name, size_bytes, key, item_id, line
FROM run_files
WHERE user_id = %(user_id)s AND run_id = %(of)s::uuid
  AND (outcome IS NULL OR outcome = 'cancelled' OR (outcome = 'failed' AND (item_id IS NOT NULL OR code = 'storage_full')))

-- :name owned
SELECT number, name, key, size_bytes, item_id, outcome, code, message, page, line
FROM run_files WHERE user_id = %(user_id)s AND run_id = %(run_id)s::uuid

-- :name list prepared
-- :include owned
  AND number > %(after)s AND (%(outcome)s::text IS NULL OR outcome = %(outcome)s) ORDER BY number LIMIT %(limit)s

-- :name list_errors
-- :include owned
  AND code IS NOT NULL AND outcome IN ('done', 'failed') AND number > %(after)s ORDER BY number LIMIT %(limit)s

-- :name list_waiting prepared
-- :include owned
  AND outcome IS NULL AND started_at IS NULL ORDER BY number LIMIT %(limit)s

-- :name list_at_work prepared
-- :include owned
  AND outcome IS NULL AND started_at IS NOT NULL ORDER BY number

-- :name count_at_work prepared
SELECT count(*) FROM run_files
WHERE user_id = %(user_id)s AND run_id = %(run_id)s::uuid AND outcome IS NULL AND started_at IS NOT NULL

-- :name set_started prepared
UPDATE run_files SET item_id = %(item_id)s, key = %(key)s, started_at = clock_timestamp()
WHERE user_id = %(user_id)s AND run_id = %(run_id)s::uuid AND number = %(number)s

-- :name set_outcome prepared
UPDATE run_files SET outcome = %(outcome)s, code = %(code)s, message = %(message)s, finished_at = clock_timestamp()
WHERE user_id = %(user_id)s AND run_id = %(run_id)s::uuid AND number = %(number)s

-- :name set_done
UPDATE run_files SET outcome = 'done', finished_at = clock_timestamp()
WHERE user_id = %(user_id)s AND run_id = %(run_id)s::uuid AND number = ANY (%(numbers)s::int[])

-- A file whose bytes are known has no item of its own any more: its upload names the item that has them.
-- :name settle prepared
WITH ended AS (
    SELECT f.number, coalesce(i.id, u.item_id, f.item_id) AS item_id,
           CASE i.status WHEN 'READY' THEN 'done' WHEN 'FAILED' THEN 'failed' ELSE 'skipped' END AS outcome,
           CASE WHEN i.status = 'FAILED' THEN i.failure_code
                WHEN i.status = 'READY' AND i.unread_pages <> '{}' THEN 'pages_not_read'
                WHEN i.id IS NULL AND u.item_id IS NOT NULL THEN 'duplicate'
                WHEN i.id IS NULL THEN 'deleted' END AS code,
           CASE WHEN i.status = 'FAILED' THEN i.failure_message
                WHEN i.status = 'READY' AND i.unread_pages <> '{}' THEN
                    'The text of ' || cardinality(i.unread_pages) || ' scanned pages was not read; this is the first.'
                WHEN i.id IS NULL AND u.item_id IS NOT NULL THEN 'Item ' || u.item_id || ' has the same bytes.'
                WHEN i.id IS NULL THEN 'Its item was deleted meanwhile.' END AS message,
           CASE WHEN i.status = 'READY' THEN i.unread_pages[1] END AS page
    FROM run_files f
    LEFT JOIN items i ON i.user_id = f.user_id AND i.id = f.item_id
    LEFT JOIN uploads u ON i.id IS NULL AND u.user_id = f.user_id AND u.key = f.key
    WHERE f.user_id = %(user_id)s AND f.run_id = %(run_id)s::uuid AND f.outcome IS NULL AND f.started_at IS NOT NULL
      AND (i.id IS NULL OR i.status IN ('READY', 'FAILED'))
), settled AS (
    UPDATE run_files f
    SET outcome = e.outcome, code = e.code, message = e.message, page = e.page, item_id = e.item_id,
        finished_at = clock_timestamp()
    FROM ended e
    WHERE f.user_id = %(user_id)s AND f.run_id = %(run_id)s::uuid AND f.number = e.number
    RETURNING f.outcome
)
SELECT outcome, count(*) FROM settled GROUP BY outcome

-- :name cancel_at_work
UPDATE run_files SET outcome = 'cancelled', code = 'cancelled', message = %(message)s, finished_at = clock_timestamp()
WHERE user_id = %(user_id)s AND run_id = %(run_id)s::uuid AND outcome IS NULL AND item_id = ANY (%(item_ids)s)

-- :name cancel_rest
UPDATE run_files SET outcome = 'cancelled', finished_at = clock_timestamp()
WHERE user_id = %(user_id)s AND run_id = %(run_id)s::uuid AND number = ANY (ARRAY (
    SELECT number FROM run_files
    WHERE user_id = %(user_id)s AND run_id = %(run_id)s::uuid AND outcome IS NULL ORDER BY number LIMIT %(limit)s))

-- :name add_to_collection prepared
INSERT INTO collection_items (user_id, collection_id, item_id)
SELECT c.user_id, c.id, i.id
FROM collections c JOIN items i ON i.user_id = c.user_id AND i.id = ANY (%(item_ids)s)
WHERE c.user_id = %(user_id)s AND c.id = %(collection_id)s::uuid
ON CONFLICT DO NOTHING
