-- "= ANY (ARRAY (...))" instead of plain joins: without it the planner reads all of the owner's rows.

-- :name matching_items
SELECT i.id FROM items i
LEFT JOIN analyses a ON a.user_id = i.user_id AND a.item_id = i.id AND a.is_current
WHERE i.user_id = %(user_id)s
  AND (%(kinds)s::text[] IS NULL OR i.kind = ANY (%(kinds)s::text[]))
  AND (%(item_ids)s::text[] IS NULL OR i.id = ANY (%(item_ids)s::text[]))
  AND (%(tag)s::text IS NULL OR %(tag)s = ANY (a.labels))
  AND (%(since)s::timestamptz IS NULL OR i.created_at >= %(since)s)
  AND (%(until)s::timestamptz IS NULL OR i.created_at < %(until)s)

-- BM25 over pages (Robertson and Zaragoza 2009, k1 1.2, b 0.75), every occurrence of a query term counted.
-- :name lexical
WITH query AS (
    SELECT hashtext(lexeme) AS term, cardinality(positions) AS qtf
    FROM unnest(to_tsvector('english', %(query)s))
), stats AS (
    SELECT pages::float8 AS n, greatest(total_length::float8 / greatest(pages, 1), 1) AS avgdl
    FROM corpus_stats WHERE owner = %(owner)s
), weighted AS MATERIALIZED (
    SELECT q.term, q.qtf * ln(1 + (s.n - d.n + 0.5::float8) / (d.n + 0.5::float8)) AS weight
    FROM query q JOIN term_df d ON d.owner = %(owner)s AND d.term = q.term CROSS JOIN stats s
    WHERE d.term = ANY (ARRAY (SELECT term FROM query))
), ranked AS (
    SELECT p.page_id, sum(w.weight * p.tf * 2.2::float8
                             / (p.tf + 1.2::float8 * (0.25::float8 + 0.75::float8 * p.dl / s.avgdl))) AS score
    FROM weighted w JOIN postings p ON p.owner = %(owner)s AND p.term = w.term CROSS JOIN stats s
    WHERE p.term = ANY (ARRAY (SELECT term FROM query)) AND (NOT %(filtered)s OR p.page_id IN (
        SELECT g.id FROM pages g WHERE g.user_id = %(user_id)s AND g.item_id IN (
            -- :include matching_items
        )))
    GROUP BY p.page_id
    ORDER BY score DESC, p.page_id LIMIT %(depth)s
)
SELECT g.item_id, g.number AS page, r.score
FROM ranked r JOIN pages g ON g.id = r.page_id AND g.user_id = %(user_id)s
WHERE g.id = ANY (ARRAY (SELECT page_id FROM ranked))
ORDER BY r.score DESC, r.page_id

-- Exact cosine over the owner's rows: "+ 0" keeps any vector index out, which under a tenant filter loses rows.
-- :name semantic
WITH ranked AS (
    SELECT v.chunk_id, (v.vector <=> %(vector)s::halfvec) + 0 AS distance
    FROM vectors v
    WHERE v.set_id = %(set_id)s AND v.owner = %(owner)s
      AND (NOT %(filtered)s OR v.chunk_id IN (
        SELECT c.id FROM chunks c WHERE c.user_id = %(user_id)s AND c.item_id IN (
            -- :include matching_items
        )))
      AND (%(not_item)s::text IS NULL OR v.chunk_id NOT IN (
        SELECT c.id FROM chunks c WHERE c.user_id = %(user_id)s AND c.item_id = %(not_item)s))
    ORDER BY 2, 1 LIMIT %(depth)s
)
SELECT c.item_id, c.page, c.id AS chunk_id, 1 - r.distance AS score
FROM ranked r JOIN chunks c ON c.id = r.chunk_id AND c.user_id = %(user_id)s
WHERE c.id = ANY (ARRAY (SELECT chunk_id FROM ranked))
ORDER BY r.distance, r.chunk_id

-- The chunk shown for each hit: the one the vectors chose, else the page's chunk that has most of the query's words.
-- :name passages
WITH query AS (
    SELECT string_agg(quote_literal(lexeme), ' | ')::tsquery AS words FROM unnest(to_tsvector('english', %(query)s))
)
SELECT h.position, i.id AS item_id, i.name, i.kind,
       c.id AS chunk_id, c.page, c.char_start, c.char_end, c.source,
       ts_headline('english', c.text, coalesce(q.words, ''::tsquery),
                   'HighlightAll=true, StartSel=' || %(start)s || ', StopSel=' || %(stop)s) AS marked
FROM unnest(%(item_ids)s::text[], %(pages)s::int[], %(chunk_ids)s::bigint[]) WITH ORDINALITY
     AS h (item_id, page, chunk_id, position)
JOIN items i ON i.user_id = %(user_id)s AND i.id = h.item_id
CROSS JOIN query q
CROSS JOIN LATERAL (
    SELECT * FROM chunks c
    WHERE c.user_id = %(user_id)s AND c.item_id = h.item_id AND c.page = h.page
      AND (h.chunk_id IS NULL OR c.id = h.chunk_id)
    ORDER BY coalesce(ts_rank(to_tsvector('english', c.text), q.words), 0) DESC, c.id LIMIT 1
) c
ORDER BY h.position

-- :name scope
SELECT u.number AS owner, s.id AS set_id, s.model, s.dimensions
FROM users u LEFT JOIN embedding_sets s ON s.state = 'live'
WHERE u.id = %(user_id)s

-- :name example_vector
SELECT avg(v.vector)::text AS vector
FROM vectors v JOIN chunks c ON c.id = v.chunk_id AND c.user_id = %(user_id)s
WHERE v.set_id = %(set_id)s AND v.owner = %(owner)s AND c.item_id = %(item_id)s
