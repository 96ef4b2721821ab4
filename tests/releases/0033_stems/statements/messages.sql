-- The caller has locked the conversation: no other transaction takes this ordinal.
-- :name insert
INSERT INTO messages (user_id, id, conversation_id, ordinal, role, content, reply_to, question, outcome, collection_id,
                      item_ids, dropped, missing, provider, model, input_tokens, output_tokens, cached)
SELECT %(user_id)s, %(id)s::uuid, %(conversation_id)s::uuid, coalesce(max(ordinal), 0) + 1, %(role)s, %(content)s,
       %(reply_to)s::uuid, %(question)s, %(outcome)s, %(collection_id)s::uuid, %(item_ids)s::text[], %(dropped)s,
       %(missing)s::text[], %(provider)s, %(model)s, %(input_tokens)s, %(output_tokens)s, %(cached)s
FROM messages WHERE user_id = %(user_id)s AND conversation_id = %(conversation_id)s::uuid
ON CONFLICT (user_id, id) DO NOTHING

-- :name messages
SELECT id::text, conversation_id::text, ordinal, role, content, reply_to::text, question, outcome, collection_id::text,
       item_ids, dropped, missing, provider, model, input_tokens, output_tokens, cached, created_at
FROM messages WHERE user_id = %(user_id)s

-- :name get
-- :include messages
  AND id = %(id)s::uuid

-- :name list
-- :include messages
  AND conversation_id = %(conversation_id)s::uuid AND ordinal > %(after)s
ORDER BY ordinal LIMIT %(limit)s

-- :name count_questions
SELECT count(*) AS count FROM messages
WHERE user_id = %(user_id)s AND conversation_id = %(conversation_id)s::uuid AND role = 'user'

-- The messages before a question, the last first.
-- :name list_before
SELECT role, content, question FROM messages
WHERE user_id = %(user_id)s AND conversation_id = %(conversation_id)s::uuid AND ordinal < %(ordinal)s
ORDER BY ordinal DESC LIMIT %(limit)s
