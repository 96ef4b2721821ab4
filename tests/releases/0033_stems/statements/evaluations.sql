-- :name insert
INSERT INTO evaluations (user_id, id, exercise_id, student_id, response_text, time_spent_seconds, score, confidence,
                         correct_steps, missing_steps, incorrect_steps, partial_steps, first_gap, feedback, next_action,
                         grader)
VALUES (%(user_id)s, %(id)s::uuid, %(exercise_id)s::uuid, %(student_id)s, %(response_text)s, %(time_spent_seconds)s,
        %(score)s, %(confidence)s, %(correct_steps)s::text[], %(missing_steps)s::text[], %(incorrect_steps)s::text[],
        %(partial_steps)s::text[], %(first_gap)s, %(feedback)s, %(next_action)s, %(grader)s)
ON CONFLICT (user_id, id) DO NOTHING

-- :name owned
SELECT v.id::text, v.exercise_id::text, v.student_id, v.response_text, v.time_spent_seconds, v.score, v.confidence,
       v.correct_steps, v.missing_steps, v.incorrect_steps, v.partial_steps, v.first_gap, v.feedback, v.next_action,
       v.grader, v.evaluated_at
FROM evaluations v WHERE v.user_id = %(user_id)s

-- :name get
-- :include owned
  AND v.id = %(id)s::uuid

-- :name list
-- :include owned
  AND v.exercise_id = %(exercise_id)s::uuid
  AND (%(after_at)s::timestamptz IS NULL OR (v.evaluated_at, v.id::text) < (%(after_at)s, %(after_id)s::text))
ORDER BY v.evaluated_at DESC, v.id::text DESC LIMIT %(limit)s

-- :name insert_remediation
INSERT INTO remediations (user_id, id, evaluation_id, exercise_id, student_id, target_gap, content, personalized_context,
                          problems)
VALUES (%(user_id)s, %(id)s::uuid, %(evaluation_id)s::uuid, %(exercise_id)s::uuid, %(student_id)s, %(target_gap)s,
        %(content)s, %(personalized_context)s, %(problems)s::jsonb)
ON CONFLICT (user_id, evaluation_id) DO NOTHING

-- :name find_remediation
SELECT r.id::text, r.evaluation_id::text, r.exercise_id::text, r.student_id, r.target_gap, r.content,
       r.personalized_context, r.problems::text, r.created_at
FROM remediations r WHERE r.user_id = %(user_id)s AND r.evaluation_id = %(evaluation_id)s::uuid
