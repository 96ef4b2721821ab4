-- :name insert
INSERT INTO chunks (user_id, item_id, source, ordinal, page, char_start, char_end, text) VALUES %s

-- :name delete
DELETE FROM chunks WHERE user_id = %(user_id)s AND item_id = %(item_id)s AND source = ANY (%(sources)s)

-- :name list
SELECT id, source, ordinal, page, char_start, char_end, text FROM chunks
WHERE user_id = %(user_id)s AND item_id = %(item_id)s AND id > %(after)s ORDER BY id LIMIT %(limit)s

-- :name opening_text
SELECT left(string_agg(text, E'\n' ORDER BY ordinal), %(max_chars)s) AS text
FROM (SELECT ordinal, text FROM chunks
      WHERE user_id = %(user_id)s AND item_id = %(item_id)s AND source = 'text' ORDER BY ordinal LIMIT 200) opening

-- :name list_unembedded
SELECT c.id, c.text FROM chunks c
WHERE c.user_id = %(user_id)s AND c.item_id = %(item_id)s
  AND c.id > %(after)s
  AND NOT EXISTS (SELECT FROM vectors v WHERE v.set_id = %(set_id)s AND v.chunk_id = c.id)
ORDER BY c.id LIMIT %(limit)s
