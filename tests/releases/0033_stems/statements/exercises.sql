-- One transaction may insert several: they keep their order.
-- :name insert
INSERT INTO exercises (user_id, id, concept_id, student_id, type, kind, difficulty, life_category, question, answer_key,
                       options, hints, personalization, item_id, item_name, item_sha256, source, page, quote, page_start,
                       page_end, previous_exercise_id, request_sha256, rejected, passage, writer, language, created_at)
VALUES (%(user_id)s, %(id)s::uuid, %(concept_id)s::uuid, %(student_id)s, %(type)s, %(kind)s, %(difficulty)s,
        %(life_category)s, %(question)s, %(answer_key)s, %(options)s::text[], %(hints)s::text[], %(personalization)s,
        %(item_id)s, %(item_name)s, %(item_sha256)s, %(source)s, %(page)s, %(quote)s, %(page_start)s, %(page_end)s,
        %(previous_exercise_id)s::uuid, %(request_sha256)s, %(rejected)s::jsonb,
        %(passage)s, %(writer)s, %(language)s, clock_timestamp())
ON CONFLICT (user_id, id) DO NOTHING

-- An exercise is stale when its item is deleted, has other bytes than those quoted, or has another text there now.
-- The text is compared chunk by chunk, where the quote and the chunk overlap. Between chunks is only white space.
-- :name compared
SELECT e.id::text, e.concept_id::text, c.phrase AS concept, e.student_id, e.type, e.kind, e.difficulty, e.life_category,
       e.question, e.answer_key, e.options, e.hints, e.personalization, e.item_id, e.item_name, i.kind AS item_kind,
       e.source, e.page, e.quote, e.page_start, e.page_end, e.previous_exercise_id::text, e.rejected::text, e.report,
       e.passage, e.writer, e.language, e.retired_at, e.edited_at, e.created_at,
       e.source <> 'given' AND (i.id IS NULL OR i.sha256 IS DISTINCT FROM e.item_sha256
                                OR NOT coalesce(stored.has_quote, false)) AS stale
FROM exercises e
JOIN concepts c ON c.user_id = e.user_id AND c.id = e.concept_id
LEFT JOIN items i ON i.user_id = e.user_id AND i.id = e.item_id
CROSS JOIN LATERAL (
    SELECT min(k.char_start) <= e.page_start AND max(k.char_end) >= e.page_end
           AND bool_and(substr(k.text, p.first - k.char_start + 1, p.last - p.first)
                        = substr(e.quote, p.first - e.page_start + 1, p.last - p.first)) AS has_quote
    FROM chunks k
    CROSS JOIN LATERAL (SELECT greatest(k.char_start, e.page_start) AS first, least(k.char_end, e.page_end) AS last) p
    WHERE k.user_id = e.user_id AND k.item_id = e.item_id AND k.page = e.page AND k.source = e.source
      AND k.char_end > e.page_start AND k.char_start < e.page_end
) stored
WHERE e.user_id = %(user_id)s

-- :name get
-- :include compared
  AND e.id = %(id)s::uuid

-- :name list_some
-- :include compared
  AND e.id = ANY (%(ids)s::uuid[])

-- :name list_known
SELECT id::text FROM exercises WHERE user_id = %(user_id)s AND id = ANY (%(ids)s::uuid[])

-- :name list_recent
-- :include compared
  AND e.request_sha256 = %(request_sha256)s AND e.retired_at IS NULL AND e.created_at > now() - interval '24 hours'
ORDER BY e.created_at DESC, e.id LIMIT %(limit)s

-- :name list
-- :include compared
  AND (%(student_id)s::text IS NULL OR e.student_id = %(student_id)s)
  AND (%(concept_id)s::uuid IS NULL OR e.concept_id = %(concept_id)s::uuid)
  AND (%(with_retired)s OR e.retired_at IS NULL)
  AND (%(after_at)s::timestamptz IS NULL OR (e.created_at, e.id::text) < (%(after_at)s, %(after_id)s::text))
ORDER BY e.created_at DESC, e.id::text DESC LIMIT %(limit)s

-- What a new exercise must differ from, retired ones too: those of the same items or of the same concept.
-- :name list_seen
SELECT e.question, e.answer_key AS key, e.quote
FROM exercises e JOIN concepts c ON c.user_id = e.user_id AND c.id = e.concept_id
WHERE e.user_id = %(user_id)s AND e.id IS DISTINCT FROM %(but)s::uuid AND (e.item_id = ANY (%(item_ids)s::text[]) OR lower(c.phrase) = lower(%(phrase)s))
ORDER BY e.created_at DESC LIMIT %(limit)s

-- :name update
UPDATE exercises
SET report = coalesce(%(report)s, report),
    retired_at = CASE WHEN %(retire)s THEN coalesce(retired_at, now()) ELSE retired_at END
WHERE user_id = %(user_id)s AND id = %(id)s::uuid

-- :name rewrite
UPDATE exercises
SET question = %(question)s, answer_key = %(answer_key)s, options = %(options)s::text[], hints = %(hints)s::text[],
    edited_at = now()
WHERE user_id = %(user_id)s AND id = %(id)s::uuid

-- :name delete
DELETE FROM exercises WHERE user_id = %(user_id)s AND id = %(id)s::uuid
