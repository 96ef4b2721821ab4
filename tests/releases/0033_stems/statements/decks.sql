-- :name insert
INSERT INTO decks (user_id, id, name) VALUES (%(user_id)s, %(id)s::uuid, %(name)s)
ON CONFLICT (user_id, id) DO NOTHING

-- :name find_by_name
SELECT id::text FROM decks WHERE user_id = %(user_id)s AND lower(name) = lower(%(name)s)

-- :name counted
SELECT d.id::text, d.name, d.created_at, d.updated_at,
       (SELECT count(*) FROM deck_exercises e WHERE e.user_id = d.user_id AND e.deck_id = d.id) AS exercise_count
FROM decks d
WHERE d.user_id = %(user_id)s

-- :name get
-- :include counted
  AND d.id = %(id)s::uuid

-- :name list
-- :include counted
  AND (%(after_at)s::timestamptz IS NULL OR (d.created_at, d.id::text) < (%(after_at)s, %(after_id)s::text))
ORDER BY d.created_at DESC, d.id::text DESC LIMIT %(limit)s

-- :name update
UPDATE decks SET name = coalesce(%(name)s, name), updated_at = now()
WHERE user_id = %(user_id)s AND id = %(id)s::uuid

-- :name delete
DELETE FROM decks WHERE user_id = %(user_id)s AND id = %(id)s::uuid

-- A microsecond lies between two exercises, so that they stay in the order in which they were given.
-- :name add_exercises
INSERT INTO deck_exercises (user_id, deck_id, exercise_id, added_at)
SELECT %(user_id)s, %(id)s::uuid, exercise_id, clock_timestamp() + place * interval '1 microsecond'
FROM unnest(%(exercise_ids)s::uuid[]) WITH ORDINALITY AS added (exercise_id, place)
ON CONFLICT DO NOTHING

-- :name remove_exercise
DELETE FROM deck_exercises
WHERE user_id = %(user_id)s AND deck_id = %(id)s::uuid AND exercise_id = %(exercise_id)s::uuid

-- :name list_exercises
SELECT added_at, exercise_id::text FROM deck_exercises
WHERE user_id = %(user_id)s AND deck_id = %(id)s::uuid
  AND (%(after_at)s::timestamptz IS NULL OR (added_at, exercise_id::text) > (%(after_at)s, %(after_id)s::text))
ORDER BY added_at, exercise_id::text LIMIT %(limit)s
