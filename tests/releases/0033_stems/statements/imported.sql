-- The text of a card is kept as a text that was given: there is no item that it cites.
-- :name upsert
INSERT INTO exercises (user_id, id, concept_id, student_id, type, kind, difficulty, life_category, question, answer_key,
                       options, hints, personalization, item_id, item_name, source, page, quote, page_start, page_end,
                       request_sha256, passage, writer)
SELECT %(user_id)s, id, %(concept_id)s::uuid, 'anki', 'practice', CASE WHEN is_cloze THEN 'cloze' ELSE 'short_answer' END,
       'basic', 'personal', question, answer, '{}', ARRAY[hint], '', '', %(file_name)s, 'given', 1, answer, 0,
       char_length(answer), '', answer, 'anki'
FROM unnest(%(ids)s::uuid[], %(is_clozes)s::bool[], %(questions)s::text[], %(answers)s::text[], %(hints)s::text[])
     AS new (id, is_cloze, question, answer, hint)
ON CONFLICT (user_id, id) DO UPDATE
SET question = excluded.question, answer_key = excluded.answer_key, hints = excluded.hints, quote = excluded.quote,
    page_end = excluded.page_end, passage = excluded.passage
WHERE exercises.writer = 'anki'
  AND (exercises.question, exercises.answer_key) IS DISTINCT FROM (excluded.question, excluded.answer_key)
