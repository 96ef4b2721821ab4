-- :name lock_stats prepared
INSERT INTO corpus_stats AS s (owner) SELECT number FROM users WHERE id = %(user_id)s
ON CONFLICT (owner) DO UPDATE SET pages = s.pages
RETURNING owner

-- :name chunk_texts prepared
SELECT page AS number, text FROM chunks
WHERE user_id = %(user_id)s AND item_id = %(item_id)s AND page BETWEEN %(first)s AND %(last)s
  AND page NOT IN (SELECT number FROM pages WHERE user_id = %(user_id)s AND item_id = %(item_id)s)

-- Batches of pages of about as many characters: a document's whole text is not to be in our memory at once.
-- :name page_batches prepared
SELECT min(page) AS first, max(page) AS last
FROM (SELECT page, floor(sum(sum(length(text))) OVER (ORDER BY page) / %(chars)s) AS batch FROM chunks
      WHERE user_id = %(user_id)s AND item_id = %(item_id)s
        AND page NOT IN (SELECT number FROM pages WHERE user_id = %(user_id)s AND item_id = %(item_id)s)
      GROUP BY page) p
GROUP BY batch ORDER BY 1

-- One text a chunk, several a page: a tsvector holds 1 MB and positions up to 16,383, and a page may have more.

-- :name add_pages prepared
WITH new_pages AS (
    INSERT INTO pages (user_id, item_id, number)
    SELECT DISTINCT %(user_id)s, %(item_id)s, n FROM unnest(%(numbers)s::int[]) n
    RETURNING id, number
), lexemes AS (
    SELECT p.id AS page_id, hashtext(l.lexeme) AS term, least(sum(cardinality(l.positions)), 32767)::smallint AS tf,
           sum(sum(cardinality(l.positions))) OVER (PARTITION BY p.id) AS dl
    FROM unnest(%(numbers)s::int[], %(texts)s::text[], %(languages)s::text[]) AS t (number, text, language)
    JOIN new_pages p USING (number)
    CROSS JOIN LATERAL unnest(to_tsvector(t.language::regconfig, t.text)) AS l
    GROUP BY p.id, term
), added AS (
    INSERT INTO postings (owner, term, page_id, tf, dl)
    SELECT %(owner)s, term, page_id, tf, dl FROM lexemes
), counted AS (
    INSERT INTO term_df AS d (owner, term, n)
    SELECT %(owner)s, term, count(*) FROM lexemes GROUP BY term ORDER BY term
    ON CONFLICT (owner, term) DO UPDATE SET n = d.n + excluded.n
)
UPDATE corpus_stats s
SET pages = s.pages + (SELECT count(*) FROM new_pages),
    total_length = s.total_length + (SELECT coalesce(sum(tf), 0) FROM lexemes)
WHERE s.owner = %(owner)s

-- :name find_page prepared
SELECT number FROM pages WHERE user_id = %(user_id)s AND item_id = %(item_id)s LIMIT 1

-- :name remove_pages prepared
WITH gone AS (
    DELETE FROM pages WHERE user_id = %(user_id)s AND item_id = %(item_id)s RETURNING id
), removed AS (
    DELETE FROM postings p WHERE p.page_id = ANY (ARRAY (SELECT id FROM gone)) AND p.owner = %(owner)s
    RETURNING p.term, p.tf
), lost AS (
    SELECT term, count(*) AS n FROM removed GROUP BY term
), uncounted AS (
    UPDATE term_df d SET n = d.n - l.n FROM lost l WHERE d.owner = %(owner)s AND d.term = l.term AND d.n > l.n
), forgotten AS (
    DELETE FROM term_df d USING lost l WHERE d.owner = %(owner)s AND d.term = l.term AND d.n <= l.n
)
UPDATE corpus_stats s
SET pages = s.pages - (SELECT count(*) FROM gone),
    total_length = s.total_length - (SELECT coalesce(sum(tf), 0) FROM removed)
WHERE s.owner = %(owner)s

-- :name ensure_set
SELECT create_embedding_set(%(model)s, %(dimensions)s, %(kind)s) AS id

-- :name find_set prepared
SELECT id, state FROM embedding_sets WHERE model = %(model)s AND dimensions = %(dimensions)s AND kind = %(kind)s

-- :name find_used_set
SELECT id FROM embedding_sets s WHERE model = %(model)s AND dimensions = %(dimensions)s AND kind = %(kind)s
  AND EXISTS (SELECT FROM generation_sets g WHERE g.set_id = s.id)

-- :name find_live
SELECT id, kind, model, dimensions FROM embedding_sets WHERE state = 'live' AND kind = %(kind)s

-- :name add_vectors prepared
INSERT INTO vectors (set_id, owner, chunk_id, vector)
SELECT %(set_id)s, (SELECT number FROM users WHERE id = %(user_id)s), chunk_id, vector::halfvec
FROM unnest(%(ids)s::bigint[], %(vectors)s::text[]) AS v (chunk_id, vector)
ON CONFLICT (set_id, chunk_id) DO UPDATE SET vector = excluded.vector

-- :name caption
SELECT min(id) AS id FROM chunks WHERE user_id = %(user_id)s AND item_id = %(item_id)s AND source = 'caption'

-- :name list_unseen
SELECT %(set_id)s::int AS set_id, c.id AS chunk_id, i.preview_key
FROM items i CROSS JOIN LATERAL (
    SELECT min(id) AS id FROM chunks WHERE user_id = i.user_id AND item_id = i.id AND source = 'caption') c
WHERE i.user_id = %(user_id)s AND (%(item_id)s::text IS NULL OR i.id = %(item_id)s)
  AND i.kind = 'image' AND i.preview_key IS NOT NULL AND c.id > %(after)s
  AND NOT EXISTS (SELECT FROM vectors v WHERE v.set_id = %(set_id)s AND v.chunk_id = c.id)
ORDER BY c.id LIMIT %(limit)s
