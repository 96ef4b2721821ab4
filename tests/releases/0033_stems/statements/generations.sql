-- :name live_model
SELECT model, dimensions FROM embedding_sets WHERE state = 'live' AND kind = 'text'

-- As the system:
-- :name next_user
SELECT min(user_id) AS user_id FROM items WHERE user_id > %(after)s AND status = 'READY'

-- As its user:
-- :name list_unfilled
SELECT c.id, c.text FROM chunks c
WHERE c.user_id = %(user_id)s AND c.id > %(after)s
  AND NOT EXISTS (SELECT FROM vectors v WHERE v.set_id = %(set_id)s AND v.chunk_id = c.id)
ORDER BY c.id LIMIT %(limit)s

-- Questions that were answered, with the pages that their answers cite.
-- :name list_judged
SELECT a.question AS query, array_agg(DISTINCT c.item_id || ' ' || c.page) AS pages
FROM messages a JOIN citations c ON c.user_id = a.user_id AND c.message_id = a.id
WHERE a.user_id = %(user_id)s AND a.role = 'assistant' AND a.question <> ''
GROUP BY a.id, a.question ORDER BY a.id LIMIT %(limit)s

-- :name list_openings
SELECT substr(text, 1, 120) AS query FROM chunks
WHERE user_id = %(user_id)s ORDER BY hashint8(id), id LIMIT %(limit)s

-- As the operator:
-- :name lock
SELECT pg_advisory_xact_lock(hashtext('create_embedding_set'))

-- What is still to be embedded for the set; characters for the estimate.
-- :name measure
SELECT count(*) AS chunks, coalesce(sum(length(c.text)), 0)::bigint AS chars, count(DISTINCT c.user_id)::int AS users
FROM chunks c WHERE NOT EXISTS (SELECT FROM vectors v WHERE v.set_id = %(set_id)s AND v.chunk_id = c.id)

-- :name measure_pictures
SELECT count(*)::int AS images
FROM items i CROSS JOIN LATERAL (
    SELECT min(id) AS id FROM chunks WHERE user_id = i.user_id AND item_id = i.id AND source = 'caption') c
WHERE i.kind = 'image' AND i.preview_key IS NOT NULL AND c.id IS NOT NULL
  AND NOT EXISTS (SELECT FROM vectors v WHERE v.set_id = %(set_id)s AND v.chunk_id = c.id)

-- :name find_building
SELECT g.id FROM generations g WHERE g.state = 'building' AND %(set_ids)s::int[] <@ ARRAY (
    SELECT s.set_id FROM generation_sets s WHERE s.generation_id = g.id)
ORDER BY g.id LIMIT 1

-- The live sets of all other kinds come along: a generation is whole.
-- :name insert
WITH given AS (
    SELECT kind, id FROM embedding_sets WHERE id = ANY (%(set_ids)s::int[])
), made AS (
    INSERT INTO generations (state) VALUES ('building') RETURNING id
)
INSERT INTO generation_sets (generation_id, kind, set_id)
SELECT made.id, s.kind, s.id FROM made, given s
UNION ALL
SELECT made.id, s.kind, s.id FROM made, embedding_sets s
WHERE s.state = 'live' AND s.kind NOT IN (SELECT kind FROM given)
RETURNING generation_id AS id

-- :name list
SELECT g.id, g.state, g.created_at, g.promoted_at,
       (SELECT string_agg(s.kind || ' ' || s.model || ' ' || s.dimensions, ', ' ORDER BY s.kind)
        FROM generation_sets m JOIN embedding_sets s ON s.id = m.set_id WHERE m.generation_id = g.id) AS sets
FROM generations g ORDER BY g.id

-- Chunks of items that can be found, of which a set of the generation has no vector.
-- :name count_missing
SELECT count(*)::int AS n
FROM vectors v JOIN embedding_sets old ON old.id = v.set_id AND old.state = 'live'
JOIN generation_sets m ON m.generation_id = %(id)s AND m.kind = old.kind
JOIN chunks c ON c.id = v.chunk_id JOIN items i ON i.user_id = c.user_id AND i.id = c.item_id AND i.status = 'READY'
WHERE m.set_id <> old.id AND NOT EXISTS (SELECT FROM vectors n WHERE n.set_id = m.set_id AND n.chunk_id = v.chunk_id)

-- :name retire_sets
UPDATE embedding_sets SET state = 'retired' WHERE state = 'live'

-- :name retire
UPDATE generations SET state = 'retired' WHERE state = 'live'

-- :name promote_sets
UPDATE embedding_sets SET state = 'live' WHERE id IN (SELECT set_id FROM generation_sets WHERE generation_id = %(id)s)

-- :name promote
UPDATE generations SET state = 'live', promoted_at = clock_timestamp() WHERE id = %(id)s

-- :name find_previous
SELECT id FROM generations WHERE state = 'retired' ORDER BY promoted_at DESC LIMIT 1

-- :name drop_retired
SELECT model, dimensions, bytes FROM drop_retired_vectors()

-- :name find_admin
SELECT user_id FROM accounts WHERE lower(email) = lower(%(email)s) AND role = 'admin' AND disabled_at IS NULL
