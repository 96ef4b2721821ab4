-- :name insert
INSERT INTO citations (user_id, message_id, ordinal, item_id, item_sha256, item_name, source, page, quote, page_start,
                       page_end, answer_start, answer_end)
SELECT %(user_id)s, %(message_id)s::uuid, c.* FROM jsonb_to_recordset(%(citations)s::jsonb)
    AS c (ordinal int, item_id text, item_sha256 text, item_name text, source text, page int, quote text, page_start int,
          page_end int, answer_start int, answer_end int)

-- A citation is stale when its item is deleted, has other bytes than those quoted, or has another text there now.
-- The text is compared chunk by chunk, where the quote and the chunk overlap. Between chunks is only white space.
-- :name list
SELECT c.message_id::text, c.ordinal, c.item_id, c.item_name, c.source, c.page, c.quote, c.page_start, c.page_end,
       c.answer_start, c.answer_end, i.kind,
       i.id IS NULL OR i.sha256 IS DISTINCT FROM c.item_sha256 OR NOT coalesce(stored.has_quote, false) AS stale
FROM citations c LEFT JOIN items i ON i.user_id = c.user_id AND i.id = c.item_id
CROSS JOIN LATERAL (
    SELECT min(k.char_start) <= c.page_start AND max(k.char_end) >= c.page_end
           AND bool_and(substr(k.text, p.first - k.char_start + 1, p.last - p.first)
                        = substr(c.quote, p.first - c.page_start + 1, p.last - p.first)) AS has_quote
    FROM chunks k
    CROSS JOIN LATERAL (SELECT greatest(k.char_start, c.page_start) AS first, least(k.char_end, c.page_end) AS last) p
    WHERE k.user_id = c.user_id AND k.item_id = c.item_id AND k.page = c.page AND k.source = c.source
      AND k.char_end > c.page_start AND k.char_start < c.page_end
) stored
WHERE c.user_id = %(user_id)s AND c.message_id = ANY (%(message_ids)s::uuid[])
ORDER BY c.message_id, c.ordinal

-- The chunks that overlap each window around a passage.
-- :name list_texts
SELECT w.position, i.sha256, c.char_start, c.text
FROM unnest(%(item_ids)s::text[], %(pages)s::int[], %(sources)s::text[], %(starts)s::int[], %(ends)s::int[])
     WITH ORDINALITY AS w (item_id, page, source, window_start, window_end, position)
JOIN items i ON i.user_id = %(user_id)s AND i.id = w.item_id
JOIN chunks c ON c.user_id = %(user_id)s AND c.item_id = w.item_id AND c.page = w.page AND c.source = w.source
    AND c.char_end > w.window_start AND c.char_start < w.window_end
ORDER BY w.position, c.char_start

-- The chunks in each window, and those at the edges of its page and of the pages nearby.
-- :name list_page_parts
SELECT position, page, char_start, char_end, text, char_start = first AS is_first, char_start = last AS is_last
FROM (
    SELECT w.position, w.page AS own, w.window_start, w.window_end, c.page, c.char_start, c.char_end, c.text,
           min(c.char_start) OVER edges AS first, max(c.char_start) OVER edges AS last
    FROM unnest(%(item_ids)s::text[], %(pages)s::int[], %(sources)s::text[], %(starts)s::int[], %(ends)s::int[])
         WITH ORDINALITY AS w (item_id, page, source, window_start, window_end, position)
    JOIN chunks c ON c.user_id = %(user_id)s AND c.item_id = w.item_id AND c.source = w.source
        AND c.page BETWEEN w.page - %(neighbours)s AND w.page + %(neighbours)s
    WINDOW edges AS (PARTITION BY w.position, c.page)
) near
WHERE char_start IN (first, last) OR (page = own AND char_end > window_start AND char_start < window_end)
ORDER BY position, page, char_start
