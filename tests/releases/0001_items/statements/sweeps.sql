-- :name get_position
SELECT position FROM sweep_cursors WHERE name = %(name)s

-- :name set_position
INSERT INTO sweep_cursors (name, position) VALUES (%(name)s, %(position)s)
ON CONFLICT (name) DO UPDATE SET position = excluded.position

-- :name insert_dead_letter
INSERT INTO dead_letters (message_id, function, user_id, item_id, reason, error, payload)
VALUES (%(message_id)s, %(function)s, %(user_id)s, %(item_id)s, %(reason)s, %(error)s, %(payload)s::jsonb)
ON CONFLICT (message_id) DO NOTHING

-- :name list_dead_letters
SELECT * FROM dead_letters ORDER BY id DESC LIMIT %(limit)s
