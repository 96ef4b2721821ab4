-- :name insert
INSERT INTO chunks (user_id, item_id, source, ordinal, page, char_start, char_end, text) VALUES %s

-- :name delete prepared
DELETE FROM chunks WHERE user_id = %(user_id)s AND item_id = %(item_id)s AND source = ANY (%(sources)s)

-- :name delete_page prepared
DELETE FROM chunks
WHERE user_id = %(user_id)s AND item_id = %(item_id)s AND page = %(page)s AND source IN ('text', 'ocr')

-- :name next_ordinal prepared
SELECT coalesce(max(ordinal) + 1, 0) AS ordinal FROM chunks
WHERE user_id = %(user_id)s AND item_id = %(item_id)s AND source = %(source)s

-- A page's last chunk ends where its text does.
-- :name extent prepared
SELECT coalesce(sum(chunks), 0) AS chunks, coalesce(sum(length * width), 0) AS size
FROM (SELECT count(*) AS chunks, max(char_end) AS length,
             max(CASE WHEN octet_length(text) = length(text) THEN 1 WHEN text ~ '[\U00010000-\U0010ffff]' THEN 4 ELSE 2 END) AS width
      FROM chunks WHERE user_id = %(user_id)s AND item_id = %(item_id)s AND source IN ('text', 'ocr') GROUP BY page) pages

-- :name list
SELECT id, source, page, char_start, char_end, text FROM chunks
WHERE user_id = %(user_id)s AND item_id = %(item_id)s AND id > %(after)s ORDER BY id LIMIT %(limit)s

-- :name list_of_page prepared
SELECT id, source, page, char_start, char_end, text FROM chunks
WHERE user_id = %(user_id)s AND item_id = %(item_id)s AND page = %(page)s ORDER BY source, char_start

-- :name opening_text prepared
SELECT left(string_agg(text, E'\n' ORDER BY page, char_start), %(max_chars)s) AS text
FROM (SELECT page, char_start, text FROM chunks
      WHERE user_id = %(user_id)s AND item_id = %(item_id)s AND source IN ('text', 'ocr')
      ORDER BY page, char_start LIMIT 200) opening

-- :name list_unembedded prepared
SELECT c.id, c.text FROM chunks c
WHERE c.user_id = %(user_id)s AND c.item_id = %(item_id)s
  AND c.id > %(after)s
  AND NOT EXISTS (SELECT FROM vectors v WHERE v.set_id = %(set_id)s AND v.chunk_id = c.id)
ORDER BY c.id LIMIT %(limit)s
