-- :name insert_new
INSERT INTO cards (user_id, exercise_id, due_at)
SELECT %(user_id)s, exercise_id, due_at
FROM unnest(%(exercise_ids)s::uuid[], %(due_ats)s::timestamptz[]) AS new (exercise_id, due_at)
ON CONFLICT DO NOTHING

-- :name owned
SELECT c.exercise_id::text, c.stability, c.difficulty, c.interval_days, c.last_reviewed_at, c.due_at, c.review_count,
       c.lapse_count
FROM cards c
WHERE c.user_id = %(user_id)s

-- :name lock
-- :include owned
  AND c.exercise_id = ANY (%(exercise_ids)s::uuid[])
ORDER BY c.exercise_id FOR UPDATE

-- :name find
-- :include owned
  AND c.exercise_id = %(exercise_id)s::uuid

-- :name list_missing
SELECT given.exercise_id::text FROM unnest(%(exercise_ids)s::uuid[]) WITH ORDINALITY AS given (exercise_id, place)
WHERE NOT EXISTS (SELECT FROM cards c WHERE c.user_id = %(user_id)s AND c.exercise_id = given.exercise_id)
ORDER BY given.place

-- :name list_due
-- :include owned
  AND c.due_at <= %(until)s
  AND (%(after_at)s::timestamptz IS NULL OR (c.due_at, c.exercise_id) > (%(after_at)s, %(after_id)s::uuid))
  AND EXISTS (SELECT FROM exercises e WHERE e.user_id = c.user_id AND e.id = c.exercise_id AND e.retired_at IS NULL)
  AND (%(deck_id)s::uuid IS NULL
       OR EXISTS (SELECT FROM deck_exercises d
                  WHERE d.user_id = c.user_id AND d.deck_id = %(deck_id)s::uuid AND d.exercise_id = c.exercise_id))
ORDER BY c.due_at, c.exercise_id LIMIT %(limit)s

-- :name list_outdated
SELECT exercise_id::text FROM cards
WHERE user_id = %(user_id)s AND planned_with <> %(version)s AND review_count > 0
ORDER BY exercise_id LIMIT %(limit)s

-- :name count_by_day
SELECT floor((extract(epoch FROM c.due_at) - %(begins_s)s) / 86400)::int AS day, count(*)::int AS count
FROM cards c JOIN exercises e ON e.user_id = c.user_id AND e.id = c.exercise_id
WHERE c.user_id = %(user_id)s AND c.due_at >= %(since)s AND c.due_at < %(until)s AND e.retired_at IS NULL
  AND c.exercise_id <> ALL (%(without)s::uuid[]) AND (c.review_count = 0 OR NOT %(new_only)s)
  AND (%(deck_id)s::uuid IS NULL
       OR EXISTS (SELECT FROM deck_exercises d
                  WHERE d.user_id = c.user_id AND d.deck_id = %(deck_id)s::uuid AND d.exercise_id = c.exercise_id))
GROUP BY 1 ORDER BY 1

-- :name update
UPDATE cards c
SET stability = new.stability, difficulty = new.difficulty, interval_days = new.interval_days,
    last_reviewed_at = new.last_reviewed_at, due_at = new.due_at, review_count = new.review_count,
    lapse_count = new.lapse_count, planned_with = %(planned_with)s
FROM unnest(%(exercise_ids)s::uuid[], %(stabilitys)s::double precision[], %(difficultys)s::double precision[],
            %(interval_dayss)s::double precision[], %(last_reviewed_ats)s::timestamptz[], %(due_ats)s::timestamptz[],
            %(review_counts)s::int[], %(lapse_counts)s::int[])
     AS new (exercise_id, stability, difficulty, interval_days, last_reviewed_at, due_at, review_count, lapse_count)
WHERE c.user_id = %(user_id)s AND c.exercise_id = new.exercise_id

-- :name delete_unused
DELETE FROM cards c
WHERE c.user_id = %(user_id)s AND c.review_count = 0
  AND (%(exercise_id)s::uuid IS NULL OR c.exercise_id = %(exercise_id)s::uuid)
  AND NOT EXISTS (SELECT FROM deck_exercises d WHERE d.user_id = c.user_id AND d.exercise_id = c.exercise_id)
