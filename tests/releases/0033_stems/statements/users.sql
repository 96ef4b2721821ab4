-- :name ensure prepared
INSERT INTO users (id) VALUES (%(user_id)s) ON CONFLICT (id) DO NOTHING
