-- :name list_pages
WITH chosen AS MATERIALIZED (
    SELECT g.item_id, g.number FROM pages g
    WHERE g.user_id = %(user_id)s
      AND (%(item_ids)s::text[] IS NULL OR g.item_id = ANY (%(item_ids)s::text[]))
      AND (%(collection_id)s::uuid IS NULL OR g.item_id IN (
          SELECT m.item_id FROM collection_items m
          WHERE m.user_id = %(user_id)s AND m.collection_id = %(collection_id)s::uuid))
      AND (%(first_page)s::int IS NULL OR g.number BETWEEN %(first_page)s AND %(last_page)s)
    ORDER BY md5(g.item_id || ' ' || g.number || %(seed)s) LIMIT %(limit)s
)
SELECT c.item_id, i.name, i.sha256, i.kind, c.source, c.page, c.char_start, c.text, coalesce(a.labels, '{}') AS labels
FROM chosen p
JOIN items i ON i.user_id = %(user_id)s AND i.id = p.item_id
JOIN chunks c ON c.user_id = %(user_id)s AND c.item_id = p.item_id AND c.page = p.number
LEFT JOIN analyses a ON a.user_id = %(user_id)s AND a.item_id = p.item_id AND a.is_current
WHERE i.kind = 'image' OR c.source IN ('text', 'ocr')
ORDER BY c.item_id, c.page, c.source, c.char_start

-- :name list_labels
SELECT i.id AS item_id, a.labels FROM items i
JOIN analyses a ON a.user_id = i.user_id AND a.item_id = i.id AND a.is_current
WHERE i.user_id = %(user_id)s AND i.kind = 'image'
ORDER BY i.created_at DESC, i.id LIMIT %(limit)s

-- :name list_labels_of
SELECT label FROM analyses a CROSS JOIN LATERAL unnest(a.labels) AS label
WHERE a.user_id = %(user_id)s AND a.is_current
  AND (%(item_ids)s::text[] IS NULL OR a.item_id = ANY (%(item_ids)s::text[]))
  AND (%(collection_id)s::uuid IS NULL OR a.item_id IN (
      SELECT m.item_id FROM collection_items m
      WHERE m.user_id = %(user_id)s AND m.collection_id = %(collection_id)s::uuid))
GROUP BY label ORDER BY count(*) DESC, label LIMIT %(limit)s
