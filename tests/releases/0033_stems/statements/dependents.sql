-- :name collections
SELECT c.id::text, c.name, count(*) OVER () AS found
FROM collection_items i
JOIN collections c ON c.user_id = i.user_id AND c.id = i.collection_id
WHERE i.user_id = %(user_id)s AND i.item_id = %(item_id)s
ORDER BY lower(c.name), c.id LIMIT %(limit)s

-- Titled as in conversations.sql.
-- :name conversations
SELECT v.id::text, cited.answers, count(*) OVER () AS found,
       coalesce(nullif(v.title, ''), left(q.content, 80), '') AS title
FROM (SELECT m.conversation_id, count(DISTINCT m.id) AS answers
      FROM citations c
      JOIN messages m ON m.user_id = c.user_id AND m.id = c.message_id
      WHERE c.user_id = %(user_id)s AND c.item_id = %(item_id)s
      GROUP BY m.conversation_id) cited
JOIN conversations v ON v.user_id = %(user_id)s AND v.id = cited.conversation_id
LEFT JOIN messages q ON q.user_id = v.user_id AND q.conversation_id = v.id AND q.ordinal = 1
ORDER BY v.updated_at DESC, v.id LIMIT %(limit)s

-- :name derived
SELECT (SELECT count(*) FROM chunks WHERE user_id = %(user_id)s AND item_id = %(item_id)s) AS chunks,
       (SELECT count(*) FROM chunks c JOIN vectors v ON v.chunk_id = c.id
        WHERE c.user_id = %(user_id)s AND c.item_id = %(item_id)s) AS vectors,
       (SELECT count(*) FROM pages WHERE user_id = %(user_id)s AND item_id = %(item_id)s) AS pages,
       (SELECT count(*) FROM analyses WHERE user_id = %(user_id)s AND item_id = %(item_id)s) AS analyses
