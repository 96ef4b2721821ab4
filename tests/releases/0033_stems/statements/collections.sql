-- :name insert
INSERT INTO collections (user_id, id, name, description)
VALUES (%(user_id)s, %(id)s::uuid, %(name)s, %(description)s)
ON CONFLICT (user_id, id) DO NOTHING

-- :name counted
SELECT c.id::text, c.name, c.description, c.created_at, c.updated_at,
       (SELECT count(*) FROM collection_items i WHERE i.user_id = c.user_id AND i.collection_id = c.id) AS item_count
FROM collections c
WHERE c.user_id = %(user_id)s

-- :name get
-- :include counted
  AND c.id = %(id)s::uuid

-- :name list
-- :include counted
  AND (%(after_at)s::timestamptz IS NULL OR (c.created_at, c.id::text) < (%(after_at)s, %(after_id)s::text))
ORDER BY c.created_at DESC, c.id::text DESC LIMIT %(limit)s

-- :name update
UPDATE collections
SET name = coalesce(%(name)s, name), description = coalesce(%(description)s, description), updated_at = now()
WHERE user_id = %(user_id)s AND id = %(id)s::uuid

-- :name delete
DELETE FROM collections WHERE user_id = %(user_id)s AND id = %(id)s::uuid

-- :name add_items
INSERT INTO collection_items (user_id, collection_id, item_id)
SELECT %(user_id)s, %(id)s::uuid, item_id FROM unnest(%(item_ids)s::text[]) AS added (item_id)
ON CONFLICT DO NOTHING

-- :name remove_item
DELETE FROM collection_items
WHERE user_id = %(user_id)s AND collection_id = %(id)s::uuid AND item_id = %(item_id)s
