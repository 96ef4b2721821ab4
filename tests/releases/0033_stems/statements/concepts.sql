-- A phrase that is there already, in any letter case, stays as it is.
-- :name insert
INSERT INTO concepts (user_id, id, phrase) VALUES (%(user_id)s, %(id)s::uuid, %(phrase)s)
ON CONFLICT (user_id, lower(phrase)) DO NOTHING

-- :name counted
SELECT c.id::text, c.phrase, c.created_at,
       (SELECT count(*) FROM exercises e
        WHERE e.user_id = c.user_id AND e.concept_id = c.id AND e.retired_at IS NULL) AS exercise_count,
       coalesce((SELECT array_agg(v.score ORDER BY v.evaluated_at, v.id)
                 FROM exercises e JOIN evaluations v ON v.user_id = e.user_id AND v.exercise_id = e.id
                 WHERE e.user_id = c.user_id AND e.concept_id = c.id
                   AND (%(student_id)s::text IS NULL OR v.student_id = %(student_id)s)), '{}') AS scores
FROM concepts c
WHERE c.user_id = %(user_id)s

-- :name get
-- :include counted
  AND c.id = %(id)s::uuid

-- :name find_by_phrase
-- :include counted
  AND lower(c.phrase) = lower(%(phrase)s)

-- :name list_of_phrases
-- :include counted
  AND lower(c.phrase) = ANY (%(phrases)s::text[])

-- :name list
-- :include counted
  AND (%(after_at)s::timestamptz IS NULL OR (c.created_at, c.id::text) < (%(after_at)s, %(after_id)s::text))
ORDER BY c.created_at DESC, c.id::text DESC LIMIT %(limit)s

-- :name delete
DELETE FROM concepts WHERE user_id = %(user_id)s AND id = %(id)s::uuid
