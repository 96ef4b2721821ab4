-- Lines have all columns of their rows but those that are named here: a column that is added later is exported too.
-- :name list_items
SELECT id, key, name, thumbnail_key, preview_key,
       to_jsonb(i) - '{user_id,key,etag,generation,thumbnail_key,preview_key,derived_bytes,updated_at}'::text[] AS line
FROM items i WHERE user_id = %(user_id)s AND id = ANY (%(item_ids)s::text[])

-- :name list_analyses
SELECT to_jsonb(a) - '{id,user_id}'::text[] AS line
FROM analyses a WHERE user_id = %(user_id)s AND item_id = ANY (%(item_ids)s::text[]) ORDER BY item_id, version

-- :name list_chunks
SELECT item_id, source, ordinal, page, char_start, char_end, text
FROM chunks
WHERE user_id = %(user_id)s AND item_id = ANY (%(item_ids)s::text[])
  AND (%(after_item)s::text IS NULL
       OR (item_id, source, ordinal) > (%(after_item)s::text, %(after_source)s::text, %(after_ordinal)s::int))
ORDER BY item_id, source, ordinal LIMIT %(limit)s

-- :name count_chunks
SELECT item_id, count(*)::int AS chunks FROM chunks
WHERE user_id = %(user_id)s AND item_id = ANY (%(item_ids)s::text[]) GROUP BY item_id

-- Two bytes a dimension, most significant first, behind a header of four bytes: as the database sends them.
-- :name list_vectors
SELECT c.item_id, c.source, c.ordinal, s.kind, s.model, s.dimensions, encode(halfvec_send(v.vector), 'base64') AS vector
FROM chunks c JOIN vectors v ON v.chunk_id = c.id
JOIN embedding_sets s ON s.id = v.set_id AND s.state = 'live'
WHERE c.user_id = %(user_id)s AND c.item_id = ANY (%(item_ids)s::text[])
  AND (%(after_item)s::text IS NULL
       OR (c.item_id, c.source, c.ordinal, s.kind)
          > (%(after_item)s::text, %(after_source)s::text, %(after_ordinal)s::int, %(after_kind)s::text))
ORDER BY c.item_id, c.source, c.ordinal, s.kind LIMIT %(limit)s

-- What has other ids after an import is named by what stays: an item by its bytes, a collection and a concept by name.
-- :name list_collections
SELECT id::text,
       (to_jsonb(c) - 'user_id') || jsonb_build_object('item_ids', held.ids, 'items', held.items) AS line
FROM collections c
CROSS JOIN LATERAL (
    SELECT coalesce(jsonb_agg(i.id ORDER BY i.id), '[]') AS ids, coalesce(jsonb_object_agg(i.id, i.sha256), '{}') AS items
    FROM collection_items m JOIN items i ON i.user_id = m.user_id AND i.id = m.item_id
    WHERE m.user_id = c.user_id AND m.collection_id = c.id) held
WHERE user_id = %(user_id)s AND (%(after)s::uuid IS NULL OR id > %(after)s::uuid) ORDER BY id LIMIT %(limit)s

-- :name list_conversations
SELECT id::text,
       (to_jsonb(c) - 'user_id') || jsonb_build_object(
           'messages', coalesce(said.messages, '[]'),
           'items', (SELECT coalesce(jsonb_object_agg(i.id, i.sha256), '{}') FROM items i
                     WHERE i.user_id = c.user_id AND i.id IN (
                         SELECT unnest(m.item_ids) FROM messages m WHERE m.user_id = c.user_id AND m.conversation_id = c.id)),
           'collections', (SELECT coalesce(jsonb_object_agg(k.id, k.name), '{}') FROM collections k
                           WHERE k.user_id = c.user_id AND k.id IN (
                               SELECT m.collection_id FROM messages m
                               WHERE m.user_id = c.user_id AND m.conversation_id = c.id))) AS line
FROM conversations c
CROSS JOIN LATERAL (
    SELECT jsonb_agg((to_jsonb(m) - '{user_id,conversation_id}'::text[]) || jsonb_build_object('citations', (
               SELECT coalesce(jsonb_agg(to_jsonb(k) - '{id,user_id,message_id}'::text[] ORDER BY k.ordinal), '[]')
               FROM citations k WHERE k.user_id = m.user_id AND k.message_id = m.id)) ORDER BY m.ordinal) AS messages
    FROM messages m WHERE m.user_id = c.user_id AND m.conversation_id = c.id) said
WHERE user_id = %(user_id)s AND (%(after)s::uuid IS NULL OR id > %(after)s::uuid) ORDER BY id LIMIT %(limit)s

-- :name list_concepts
SELECT id::text, to_jsonb(c) - 'user_id' AS line
FROM concepts c
WHERE user_id = %(user_id)s AND (%(after)s::uuid IS NULL OR id > %(after)s::uuid) ORDER BY id LIMIT %(limit)s

-- :name list_review_settings
SELECT user_id AS id, to_jsonb(s) - 'user_id' AS line FROM review_settings s
WHERE user_id = %(user_id)s AND %(after)s::text IS NULL LIMIT %(limit)s

-- What a card was planned with is of no use beside other settings: `settings` is compared where it is put back
-- (imports.sql: restore_card).
-- :name list_exercises
SELECT e.id::text,
       (to_jsonb(e) - 'user_id') || jsonb_build_object(
           'concept', c.phrase, 'evaluations', coalesce(graded.evaluations, '[]'), 'reviews', reviewed.reviews,
           'card', (SELECT (to_jsonb(k) - '{user_id,exercise_id}'::text[]) || jsonb_build_object('settings', s.digest)
                    FROM cards k WHERE k.user_id = e.user_id AND k.exercise_id = e.id)) AS line
FROM exercises e JOIN concepts c ON c.user_id = e.user_id AND c.id = e.concept_id
CROSS JOIN (SELECT md5(concat_ws(' ', max(version), max(parameters), max(desired_retention), max(day_begins_utc_hour))) AS digest
            FROM review_settings WHERE user_id = %(user_id)s) s
CROSS JOIN LATERAL (
    SELECT jsonb_agg((to_jsonb(v) - '{user_id,exercise_id}'::text[])
                     || jsonb_build_object('remediation', to_jsonb(r) - '{user_id,evaluation_id,exercise_id}'::text[])
                     ORDER BY v.evaluated_at, v.id) AS evaluations
    FROM evaluations v LEFT JOIN remediations r ON r.user_id = v.user_id AND r.evaluation_id = v.id
    WHERE v.user_id = e.user_id AND v.exercise_id = e.id) graded
CROSS JOIN LATERAL (
    SELECT coalesce(jsonb_agg(to_jsonb(w) - '{user_id,exercise_id}'::text[] ORDER BY w.reviewed_at), '[]') AS reviews
    FROM reviews w WHERE w.user_id = e.user_id AND w.exercise_id = e.id) reviewed
WHERE e.user_id = %(user_id)s AND (%(after)s::uuid IS NULL OR e.id > %(after)s::uuid) ORDER BY e.id LIMIT %(limit)s

-- :name list_decks
SELECT id::text,
       (to_jsonb(d) - 'user_id') || jsonb_build_object('exercises', (
           SELECT coalesce(jsonb_agg(jsonb_build_object('id', e.id, 'created_at', e.created_at, 'added_at', m.added_at)
                                     ORDER BY m.added_at, e.id), '[]')
           FROM deck_exercises m JOIN exercises e ON e.user_id = m.user_id AND e.id = m.exercise_id
           WHERE m.user_id = d.user_id AND m.deck_id = d.id)) AS line
FROM decks d
WHERE user_id = %(user_id)s AND (%(after)s::uuid IS NULL OR id > %(after)s::uuid) ORDER BY id LIMIT %(limit)s
