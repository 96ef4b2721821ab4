-- :name get_position
SELECT position FROM sweep_cursors WHERE name = %(name)s

-- :name set_position
INSERT INTO sweep_cursors (name, position) VALUES (%(name)s, %(position)s)
ON CONFLICT (name) DO UPDATE SET position = excluded.position
