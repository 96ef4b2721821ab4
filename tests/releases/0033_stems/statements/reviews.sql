-- :name insert
INSERT INTO reviews (user_id, id, exercise_id, rating, reviewed_at, duration_ms, source)
SELECT %(user_id)s, id, exercise_id, rating, reviewed_at, duration_ms, source
FROM unnest(%(ids)s::uuid[], %(exercise_ids)s::uuid[], %(ratings)s::int[], %(reviewed_ats)s::timestamptz[],
            %(duration_mss)s::int[], %(sources)s::text[])
     AS new (id, exercise_id, rating, reviewed_at, duration_ms, source)
ON CONFLICT DO NOTHING
RETURNING id::text

-- :name find_same
SELECT id::text, exercise_id::text, rating, reviewed_at, duration_ms, source FROM reviews
WHERE user_id = %(user_id)s
  AND (id = %(id)s::uuid OR exercise_id = %(exercise_id)s::uuid AND reviewed_at = %(reviewed_at)s)
ORDER BY id <> %(id)s::uuid LIMIT 1

-- :name list
SELECT id::text, exercise_id::text, rating, reviewed_at, duration_ms, source FROM reviews
WHERE user_id = %(user_id)s
  AND (%(after_at)s::timestamptz IS NULL OR (reviewed_at, id) > (%(after_at)s, %(after_id)s::uuid))
ORDER BY reviewed_at, id LIMIT %(limit)s

-- :name list_ratings
SELECT exercise_id::text, reviewed_at, rating FROM reviews
WHERE user_id = %(user_id)s AND (%(exercise_ids)s::uuid[] IS NULL OR exercise_id = ANY (%(exercise_ids)s::uuid[]))
ORDER BY reviewed_at DESC, id DESC LIMIT %(limit)s

-- :name list_streaks
WITH days AS (
    SELECT DISTINCT floor((extract(epoch FROM reviewed_at) - %(begins_s)s) / 86400)::int AS day
    FROM reviews WHERE user_id = %(user_id)s
), numbered AS (
    SELECT day, day - row_number() OVER (ORDER BY day) AS streak FROM days
)
SELECT max(day) AS last_day, count(*)::int AS day_count FROM numbered GROUP BY streak ORDER BY last_day DESC
