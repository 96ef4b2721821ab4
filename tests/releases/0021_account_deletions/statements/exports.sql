-- :name list_items
SELECT id, key, name,
       jsonb_build_object('id', id, 'name', name, 'kind', kind, 'status', status, 'failure_code', failure_code,
           'media_type', media_type, 'size_bytes', size_bytes, 'sha256', sha256, 'width_px', width_px, 'height_px', height_px,
           'page_count', page_count, 'title', title, 'taken_at', taken_at, 'camera', camera, 'latitude', latitude,
           'longitude', longitude, 'created_at', created_at, 'ready_at', ready_at) AS line
FROM items WHERE user_id = %(user_id)s AND id = ANY (%(item_ids)s::text[])

-- :name list_analyses
SELECT jsonb_build_object('item_id', item_id, 'version', version, 'is_current', is_current, 'category', category,
           'summary', summary, 'labels', labels, 'text_in_image', text_in_image, 'language', language, 'provider', provider,
           'model', model, 'created_at', created_at) AS line
FROM analyses WHERE user_id = %(user_id)s AND item_id = ANY (%(item_ids)s::text[]) ORDER BY item_id, version

-- :name list_chunks
SELECT item_id, source, ordinal, page, char_start, char_end, text
FROM chunks
WHERE user_id = %(user_id)s AND item_id = ANY (%(item_ids)s::text[])
  AND (%(after_item)s::text IS NULL
       OR (item_id, source, ordinal) > (%(after_item)s::text, %(after_source)s::text, %(after_ordinal)s::int))
ORDER BY item_id, source, ordinal LIMIT %(limit)s

-- :name list_collections
SELECT id::text,
       jsonb_build_object('id', id, 'name', name, 'description', description, 'created_at', created_at,
           'updated_at', updated_at, 'item_ids', ARRAY(
               SELECT i.item_id FROM collection_items i
               WHERE i.user_id = c.user_id AND i.collection_id = c.id ORDER BY i.item_id)) AS line
FROM collections c
WHERE user_id = %(user_id)s AND (%(after)s::uuid IS NULL OR id > %(after)s::uuid) ORDER BY id LIMIT %(limit)s

-- :name list_conversations
SELECT id::text,
       jsonb_build_object('id', id, 'title', title, 'created_at', created_at, 'updated_at', updated_at, 'messages', (
           SELECT coalesce(jsonb_agg(jsonb_build_object('id', m.id, 'ordinal', m.ordinal, 'role', m.role, 'content', m.content,
                      'reply_to', m.reply_to, 'question', m.question, 'outcome', m.outcome,
                      'collection_id', m.collection_id, 'item_ids', m.item_ids, 'provider', m.provider, 'model', m.model,
                      'created_at', m.created_at, 'citations', (
                          SELECT coalesce(jsonb_agg(jsonb_build_object('ordinal', k.ordinal, 'item_id', k.item_id,
                                     'item_sha256', k.item_sha256, 'item_name', k.item_name, 'source', k.source,
                                     'page', k.page, 'quote', k.quote, 'page_start', k.page_start, 'page_end', k.page_end,
                                     'answer_start', k.answer_start, 'answer_end', k.answer_end) ORDER BY k.ordinal), '[]')
                          FROM citations k WHERE k.user_id = m.user_id AND k.message_id = m.id)) ORDER BY m.ordinal), '[]')
           FROM messages m WHERE m.user_id = c.user_id AND m.conversation_id = c.id)) AS line
FROM conversations c
WHERE user_id = %(user_id)s AND (%(after)s::uuid IS NULL OR id > %(after)s::uuid) ORDER BY id LIMIT %(limit)s
