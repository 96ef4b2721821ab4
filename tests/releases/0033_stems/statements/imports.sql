-- :name insert_rows
SELECT insert_rows(%(of_table)s::text::regclass, %(lines)s) AS refusal

-- :name match_collections
SELECT g.place::int, c.id::text
FROM unnest(%(names)s::text[]) WITH ORDINALITY AS g (name, place)
JOIN collections c ON c.user_id = %(user_id)s AND lower(c.name) = lower(g.name)

-- :name match_concepts
SELECT g.place::int, c.id::text
FROM unnest(%(names)s::text[]) WITH ORDINALITY AS g (name, place)
JOIN concepts c ON c.user_id = %(user_id)s AND lower(c.phrase) = lower(g.name)

-- :name match_items
SELECT sha256, id FROM items WHERE user_id = %(user_id)s AND sha256 = ANY (%(hashes)s::text[])

-- :name match_decks
SELECT g.place::int, d.id::text
FROM unnest(%(names)s::text[]) WITH ORDINALITY AS g (name, place)
JOIN decks d ON d.user_id = %(user_id)s AND lower(d.name) = lower(g.name)

-- :name taken_decks
SELECT id::text, created_at AS at FROM decks WHERE user_id = %(user_id)s AND id = ANY (%(ids)s::uuid[])

-- :name taken_reviews
SELECT id::text, reviewed_at AS at FROM reviews
WHERE user_id = %(user_id)s AND (id = ANY (%(ids)s::uuid[]) OR exercise_id = %(exercise_id)s::uuid)

-- :name taken_collections
SELECT id::text, created_at AS at FROM collections WHERE user_id = %(user_id)s AND id = ANY (%(ids)s::uuid[])

-- :name taken_concepts
SELECT id::text, created_at AS at FROM concepts WHERE user_id = %(user_id)s AND id = ANY (%(ids)s::uuid[])

-- :name taken_conversations
SELECT id::text, created_at AS at FROM conversations WHERE user_id = %(user_id)s AND id = ANY (%(ids)s::uuid[])

-- :name taken_messages
SELECT id::text, created_at AS at FROM messages WHERE user_id = %(user_id)s AND id = ANY (%(ids)s::uuid[])

-- :name taken_exercises
SELECT id::text, created_at AS at FROM exercises WHERE user_id = %(user_id)s AND id = ANY (%(ids)s::uuid[])

-- :name taken_evaluations
SELECT id::text, evaluated_at AS at FROM evaluations WHERE user_id = %(user_id)s AND id = ANY (%(ids)s::uuid[])

-- :name taken_remediations
SELECT id::text, created_at AS at FROM remediations WHERE user_id = %(user_id)s AND id = ANY (%(ids)s::uuid[])

-- :name chunk_ids
SELECT source, ordinal, id FROM chunks WHERE user_id = %(user_id)s AND item_id = %(item_id)s

-- The item's row is there, as that of a new upload; it gets what it had where it was exported.
-- :name restore_item
UPDATE items
SET status = 'EMBEDDING', kind = %(kind)s, media_type = %(media_type)s, size_bytes = %(size_bytes)s, sha256 = %(sha256)s,
    etag = %(etag)s, width_px = %(width_px)s, height_px = %(height_px)s, page_count = %(page_count)s,
    pages_read = %(pages_read)s, unread_pages = %(unread_pages)s::int[], scans_read = %(scans_read)s, title = %(title)s,
    taken_at = %(taken_at)s, camera = %(camera)s, latitude = %(latitude)s, longitude = %(longitude)s,
    created_at = %(created_at)s, thumbnail_key = %(thumbnail_key)s, preview_key = %(preview_key)s,
    derived_bytes = %(derived_bytes)s, updated_at = now()
WHERE user_id = %(user_id)s AND id = %(id)s

-- :name restore_settings
INSERT INTO review_settings (user_id, version, desired_retention, day_begins_utc_hour, new_a_day, parameters, fitted_at,
                             fitted_reviews, log_loss_default, log_loss_fitted)
VALUES (%(user_id)s, %(version)s, %(desired_retention)s, %(day_begins_utc_hour)s, %(new_a_day)s,
        %(parameters)s::double precision[], %(fitted_at)s, %(fitted_reviews)s, %(log_loss_default)s, %(log_loss_fitted)s)
ON CONFLICT DO NOTHING

-- A card with reviews stays. One that was planned with other settings than the user's is planned anew: no version is -1.
-- :name restore_card
INSERT INTO cards AS c (user_id, exercise_id, stability, difficulty, interval_days, last_reviewed_at, due_at, review_count,
                        lapse_count, planned_with)
SELECT %(user_id)s, %(exercise_id)s::uuid, %(stability)s, %(difficulty)s, %(interval_days)s, %(last_reviewed_at)s, %(due_at)s,
       %(review_count)s, %(lapse_count)s, CASE WHEN s.digest = %(settings)s THEN %(planned_with)s ELSE -1 END
FROM (SELECT md5(concat_ws(' ', max(version), max(parameters), max(desired_retention), max(day_begins_utc_hour))) AS digest
      FROM review_settings WHERE user_id = %(user_id)s) s
ON CONFLICT (user_id, exercise_id) DO UPDATE
SET stability = excluded.stability, difficulty = excluded.difficulty, interval_days = excluded.interval_days,
    last_reviewed_at = excluded.last_reviewed_at, due_at = excluded.due_at, review_count = excluded.review_count,
    lapse_count = excluded.lapse_count, planned_with = excluded.planned_with
WHERE c.review_count = 0 AND excluded.review_count > 0

-- :name outdate_card
UPDATE cards SET planned_with = -1
WHERE user_id = %(user_id)s AND exercise_id = %(exercise_id)s::uuid
  AND review_count <> (SELECT count(*) FROM reviews WHERE user_id = %(user_id)s AND exercise_id = %(exercise_id)s::uuid)

-- :name add_to_deck
INSERT INTO deck_exercises (user_id, deck_id, exercise_id, added_at)
SELECT e.user_id, %(deck_id)s::uuid, e.id, added.at
FROM unnest(%(exercise_ids)s::uuid[], %(times)s::timestamptz[]) AS added (exercise_id, at)
JOIN exercises e ON e.user_id = %(user_id)s AND e.id = added.exercise_id
ON CONFLICT DO NOTHING
