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
  AND (%(collection_id)s::uuid IS NULL OR i.id IN (
    SELECT m.item_id FROM collection_items m
    WHERE m.user_id = %(user_id)s AND m.collection_id = %(collection_id)s::uuid))

-- The query's terms with their weights (BM25's idf); a term that no page has weighs most and finds nothing.
-- :name query_terms
SELECT q.term, q.qtf, q.n, ln(1 + (q.pages - q.n + 0.5::float8) / (q.n + 0.5::float8)) AS idf
FROM (
    SELECT hashtext(l.lexeme) AS term, cardinality(l.positions) AS qtf, s.pages, coalesce((
        SELECT d.n FROM term_df d WHERE d.owner = %(owner)s AND d.term = hashtext(l.lexeme)), 0) AS n
    FROM unnest(to_tsvector(%(language)s::regconfig, %(query)s)) l JOIN corpus_stats s ON s.owner = %(owner)s
    OFFSET 0 -- else n is looked up each time it is used
) q

-- BM25 over pages (Robertson and Zaragoza 2009; k1 1.2, b 0.6), every occurrence of a query term
-- counted. `coverage`: the share that the page's terms have in the weight of all the query's, each counted once.
-- The postings of the rarest terms are read whole, `most_postings` of them; further terms are looked up for the best
-- `candidates` pages only. Postings are read by their index alone: OFFSET 0 keeps its order of columns.
-- :name lexical
WITH weighted AS MATERIALIZED (
    SELECT w.*, w.qtf * w.idf * 2.2::float8 AS weight, 0.72::float8 / s.average AS slope,
           %(filtered)s OR sum(w.n) OVER rarest <= %(most_postings)s
           OR sum(w.n) OVER rarest - w.n < %(least_postings)s AS is_read
    FROM (
        -- :include query_terms
    ) w CROSS JOIN (
        SELECT greatest(total_length::float8 / greatest(pages, 1), 1) AS average
        FROM corpus_stats WHERE owner = %(owner)s
    ) s
    WINDOW rarest AS (ORDER BY w.n, w.term)
), found AS MATERIALIZED (
    SELECT p.page_id, sum(w.idf) AS matched, sum(w.weight * p.tf / (p.tf + 0.48::float8 + w.slope * p.dl)) AS score
    FROM weighted w CROSS JOIN LATERAL (
        SELECT page_id, tf, dl FROM postings WHERE owner = %(owner)s AND term = w.term OFFSET 0) p
    WHERE w.is_read AND (NOT %(filtered)s OR p.page_id IN (
        SELECT g.id FROM pages g WHERE g.user_id = %(user_id)s
          AND g.number BETWEEN %(first_page)s AND %(last_page)s AND g.item_id IN (
            -- :include matching_items
        )))
    GROUP BY p.page_id
    ORDER BY score DESC, p.page_id
    LIMIT (SELECT CASE WHEN bool_and(is_read) THEN %(depth)s::bigint ELSE %(candidates)s::bigint END FROM weighted)
), ranked AS (
    SELECT f.page_id, f.matched + coalesce(c.matched, 0) AS matched, f.score + coalesce(c.score, 0) AS score
    FROM found f CROSS JOIN LATERAL (
        SELECT sum(w.idf) AS matched, sum(w.weight * p.tf / (p.tf + 0.48::float8 + w.slope * p.dl)) AS score
        FROM weighted w CROSS JOIN LATERAL (
            SELECT tf, dl FROM postings
            WHERE owner = %(owner)s AND term = w.term AND page_id = f.page_id OFFSET 0) p
        WHERE NOT w.is_read) c
    ORDER BY score DESC, f.page_id LIMIT %(depth)s
)
SELECT g.item_id, g.number AS page, r.score, r.matched / (SELECT sum(idf) FROM weighted) AS coverage
FROM ranked r JOIN pages g ON g.id = r.page_id AND g.user_id = %(user_id)s
WHERE g.id = ANY (ARRAY (SELECT page_id FROM ranked))
ORDER BY r.score DESC, r.page_id

-- :name matching_chunks
SELECT c.id FROM chunks c
WHERE c.user_id = %(user_id)s AND c.page BETWEEN %(first_page)s AND %(last_page)s AND c.item_id IN (
    -- :include matching_items
)

-- Exact cosine over the owner's rows: "+ 0" keeps any vector index out, which under a tenant filter loses rows.
-- :name semantic
WITH ranked AS (
    SELECT v.chunk_id, (v.vector <=> %(vector)s::halfvec) + 0 AS distance
    FROM vectors v
    WHERE v.set_id = %(set_id)s AND v.owner = %(owner)s
      AND (NOT %(filtered)s OR v.chunk_id IN (
        -- :include matching_chunks
      ))
      AND (%(not_item)s::text IS NULL OR v.chunk_id NOT IN (
        SELECT c.id FROM chunks c WHERE c.user_id = %(user_id)s AND c.item_id = %(not_item)s))
    ORDER BY 2, 1 LIMIT %(depth)s
)
SELECT c.item_id, c.page, c.id AS chunk_id, 1 - r.distance AS score
FROM ranked r JOIN chunks c ON c.id = r.chunk_id AND c.user_id = %(user_id)s
WHERE c.id = ANY (ARRAY (SELECT chunk_id FROM ranked))
ORDER BY r.distance, r.chunk_id

-- The same for a coded owner: exact cosine over the `candidates` chunks whose codes differ least from the query's `code`.
-- Of a query that has no value in some dimensions `other` differs from `code` in these: the sum of both differences has
-- all of them once, so they do not count. Most rows are further than `far`, which enough of the first rows do not
-- exceed, and are not sorted.
-- :name semantic_coded
WITH coded AS NOT MATERIALIZED (
    SELECT k.chunk_id, (k.code <~> %(code)s::bit varying)
           + CASE WHEN %(other)s::bit varying IS NULL THEN 0 ELSE k.code <~> %(other)s::bit varying END AS difference
    FROM codes k
    WHERE k.set_id = %(set_id)s AND k.owner = %(owner)s
      AND (NOT %(filtered)s OR k.chunk_id IN (
        -- :include matching_chunks
      ))
      AND (%(not_item)s::text IS NULL OR k.chunk_id NOT IN (
        SELECT c.id FROM chunks c WHERE c.user_id = %(user_id)s AND c.item_id = %(not_item)s))
), far AS MATERIALIZED (
    SELECT max(difference) AS difference FROM (
        SELECT difference FROM (SELECT difference FROM coded LIMIT 10 * %(candidates)s) first
        ORDER BY 1 LIMIT %(candidates)s) nearest
), near AS (
    SELECT chunk_id FROM coded WHERE difference <= (SELECT difference FROM far)
    ORDER BY difference, chunk_id LIMIT %(candidates)s
), ranked AS (
    SELECT v.chunk_id, v.vector <=> %(vector)s::halfvec AS distance
    FROM vectors v
    WHERE v.set_id = %(set_id)s AND v.owner = %(owner)s AND v.chunk_id = ANY (ARRAY (SELECT chunk_id FROM near))
    ORDER BY 2, 1 LIMIT %(depth)s
)
SELECT c.item_id, c.page, r.chunk_id, 1 - r.distance AS score
FROM ranked r CROSS JOIN LATERAL (
    SELECT item_id, page FROM chunks WHERE id = r.chunk_id AND user_id = %(user_id)s OFFSET 0) c
ORDER BY r.distance, r.chunk_id

-- The chunk shown for each hit: the one the vectors chose, else the page's chunk that has most of the query's words.
-- A caption gives way to a text of its page that has at least half as much of them.
-- :name passages
WITH query AS (
    SELECT string_agg(quote_literal(lexeme), ' | ')::tsquery AS words FROM unnest(to_tsvector(%(language)s::regconfig, %(query)s))
)
SELECT h.position, i.id AS item_id, i.name, i.kind,
       c.id AS chunk_id, c.page, c.char_start, c.char_end, c.source, c.text,
       ts_headline(%(language)s::regconfig, c.text, coalesce(q.words, ''::tsquery),
                   'HighlightAll=true, StartSel=' || %(start)s || ', StopSel=' || %(stop)s) AS marked
FROM unnest(%(item_ids)s::text[], %(pages)s::int[], %(chunk_ids)s::bigint[]) WITH ORDINALITY
     AS h (item_id, page, chunk_id, position)
JOIN items i ON i.user_id = %(user_id)s AND i.id = h.item_id
LEFT JOIN chunks near ON near.user_id = %(user_id)s AND near.id = h.chunk_id
CROSS JOIN query q
CROSS JOIN LATERAL (
    SELECT * FROM (
        SELECT * FROM chunks c
        WHERE c.user_id = %(user_id)s AND c.item_id = h.item_id AND c.page = h.page
          AND (near.id IS NULL OR near.source = 'caption' OR c.id = near.id)
        ORDER BY c.id <> near.id, c.id LIMIT 500 -- a page may have ten thousand
    ) c
    ORDER BY (coalesce(ts_rank(to_tsvector(%(language)s::regconfig, c.text), q.words), 0)
              + (SELECT count(*) FROM unnest(%(ngrams)s::text[]) ngram WHERE strpos(c.text, ngram) > 0))
             * CASE c.source WHEN 'caption' THEN 0.5 ELSE 1 END DESC, c.id IS DISTINCT FROM near.id, c.id LIMIT 1
) c
ORDER BY h.position

-- The chunks of each page, of a very long one those around its hit: with their own cosine, their likeness to the
-- chunk before them, and their own BM25 by the pages' weights.
-- :name page_chunks
WITH weighted AS MATERIALIZED (
    -- :include query_terms
), found AS MATERIALIZED (
    SELECT h.position, i.name, i.kind, c.*, v.vector, to_tsvector(%(language)s::regconfig, c.text) AS lexemes
    FROM unnest(%(item_ids)s::text[], %(pages)s::int[], %(chunk_ids)s::bigint[]) WITH ORDINALITY
         AS h (item_id, page, chunk_id, position)
    JOIN items i ON i.user_id = %(user_id)s AND i.id = h.item_id
    CROSS JOIN LATERAL (
        SELECT * FROM chunks c WHERE c.user_id = %(user_id)s AND c.item_id = h.item_id AND c.page = h.page
          AND (c.source <> 'caption' OR i.kind = 'image') -- a document's is about it: nobody could read it on the page
        ORDER BY abs(c.id - coalesce(h.chunk_id, 0)), c.id LIMIT %(most)s
    ) c
    LEFT JOIN vectors v ON v.set_id = %(set_id)s AND v.owner = %(owner)s AND v.chunk_id = c.id
), average AS MATERIALIZED (
    SELECT greatest(avg(length(lexemes)), 1)::float8 AS length FROM found
)
SELECT f.position, f.name, f.kind, f.item_id, f.source, f.page, f.ordinal, f.char_start, f.char_end, f.text,
       1 - (f.vector <=> %(vector)s::halfvec) AS cosine,
       1 - (f.vector <=> lag(f.vector) OVER (PARTITION BY f.position, f.source ORDER BY f.ordinal)) AS likeness,
       coalesce((
           SELECT sum(w.qtf * w.idf * cardinality(l.positions) * 2.2::float8 / (cardinality(l.positions)
                      + 1.2::float8 * (0.4::float8 + 0.6::float8 * length(f.lexemes) / a.length)))
           FROM unnest(f.lexemes) l JOIN weighted w ON w.term = hashtext(l.lexeme)), 0) AS words
FROM found f CROSS JOIN average a
ORDER BY f.position, f.source, f.ordinal

-- What the matched items are, by kind, tag, collection and month; of each the most frequent.
-- :name facets
WITH matched AS (
    SELECT i.id, i.kind, i.created_at FROM items i
    WHERE i.user_id = %(user_id)s AND i.id = ANY (%(item_ids)s::text[])
), valued AS (
    SELECT 'kind' AS facet, kind AS value, NULL AS name FROM matched WHERE kind IS NOT NULL
    UNION ALL
    SELECT 'month', to_char(created_at AT TIME ZONE 'UTC', 'YYYY-MM'), NULL FROM matched
    UNION ALL
    SELECT 'tag', tag, NULL FROM matched m
    JOIN analyses a ON a.user_id = %(user_id)s AND a.item_id = m.id AND a.is_current
    CROSS JOIN LATERAL (SELECT DISTINCT unnest(a.labels) AS tag) labels
    UNION ALL
    SELECT 'collection', c.id::text, c.name FROM matched m
    JOIN collection_items ci ON ci.user_id = %(user_id)s AND ci.item_id = m.id
    JOIN collections c ON c.user_id = %(user_id)s AND c.id = ci.collection_id
)
SELECT facet, value, name, count FROM (
    SELECT facet, value, name, count(*) AS count,
           row_number() OVER (PARTITION BY facet ORDER BY count(*) DESC, value) AS place
    FROM valued GROUP BY facet, value, name
) counted
WHERE place <= %(most)s ORDER BY facet, place

-- :name scope
SELECT u.number AS owner, s.id AS set_id, s.model, s.dimensions, (
    SELECT centre::text FROM coded_owners o WHERE o.set_id = s.id AND o.owner = u.number AND o.is_complete) AS centre
FROM users u LEFT JOIN embedding_sets s ON s.state = 'live' AND s.kind = 'text'
WHERE u.id = %(user_id)s

-- :name pictures
SELECT s.id AS set_id, s.model, s.dimensions, (
    SELECT centre::text FROM coded_owners o WHERE o.set_id = s.id AND o.owner = %(owner)s AND o.is_complete) AS centre
FROM embedding_sets s WHERE s.state = 'live' AND s.kind = 'picture'

-- :name example_picture
SELECT v.set_id, v.vector::text AS vector, (
    SELECT centre::text FROM coded_owners o WHERE o.set_id = s.id AND o.owner = v.owner AND o.is_complete) AS centre
FROM embedding_sets s JOIN vectors v ON v.set_id = s.id AND v.owner = %(owner)s
JOIN chunks c ON c.id = v.chunk_id AND c.user_id = %(user_id)s
WHERE s.state = 'live' AND s.kind = 'picture' AND c.item_id = %(item_id)s

-- :name example_vector
SELECT avg(v.vector)::text AS vector
FROM vectors v JOIN chunks c ON c.id = v.chunk_id AND c.user_id = %(user_id)s
WHERE v.set_id = %(set_id)s AND v.owner = %(owner)s AND c.item_id = %(item_id)s
