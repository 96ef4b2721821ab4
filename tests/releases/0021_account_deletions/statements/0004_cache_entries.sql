-- Answers of upstream services that may be given again. user_id '' is everybody's: what an upstream called public.

CREATE TABLE cache_entries (
    user_id text NOT NULL,
    key text NOT NULL,
    variant text NOT NULL,
    vary jsonb NOT NULL,
    absent text[] NOT NULL,
    headers jsonb NOT NULL,
    body bytea NOT NULL,
    age_s int NOT NULL,
    stored_at timestamptz NOT NULL DEFAULT now(),
    fresh_until timestamptz NOT NULL,
    PRIMARY KEY (user_id, key, variant)
);
COMMENT ON TABLE cache_entries IS 'no reference to users: an entry lives an hour at most, and nobody''s are here too';
COMMENT ON COLUMN cache_entries.vary IS 'headers, by lower-case name, that a request must have with these values';
COMMENT ON COLUMN cache_entries.absent IS 'headers that a request must not have';
CREATE INDEX cache_entries_fresh_until ON cache_entries (fresh_until);
ALTER TABLE cache_entries ALTER COLUMN body SET STORAGE EXTERNAL; -- as it came, often compressed already
ALTER TABLE cache_entries ENABLE ROW LEVEL SECURITY;
ALTER TABLE cache_entries FORCE ROW LEVEL SECURITY;
CREATE POLICY operator ON cache_entries TO collections_operator USING (true);
CREATE POLICY tenant ON cache_entries TO collections_app
    USING (user_id IN ((SELECT current_user_id()), ''));
CREATE POLICY system ON cache_entries TO collections_system USING (true);
GRANT SELECT, INSERT, UPDATE, DELETE ON cache_entries TO collections_app;
GRANT SELECT (fresh_until), DELETE ON cache_entries TO collections_system; -- it prunes, and reads no answers
