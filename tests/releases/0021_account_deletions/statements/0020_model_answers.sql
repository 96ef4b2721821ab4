-- Answers of models, given again to the same user who asks the same: it costs nothing, and says so.
CREATE TABLE model_answers (
    user_id text NOT NULL REFERENCES users ON DELETE CASCADE,
    key bytea NOT NULL,
    item_id text,
    answer bytea NOT NULL,
    stored_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (user_id, key),
    FOREIGN KEY (user_id, item_id) REFERENCES items (user_id, id) ON DELETE CASCADE
);
COMMENT ON COLUMN model_answers.key IS 'SHA-256 of who is asked and of all that is sent';
COMMENT ON COLUMN model_answers.item_id IS 'what the answer is about, and is deleted with';
CREATE INDEX model_answers_item ON model_answers (user_id, item_id) WHERE item_id IS NOT NULL;
CREATE INDEX model_answers_stored_at ON model_answers (stored_at);
ALTER TABLE model_answers ENABLE ROW LEVEL SECURITY;
ALTER TABLE model_answers FORCE ROW LEVEL SECURITY;
CREATE POLICY operator ON model_answers TO collections_operator USING (true);
CREATE POLICY tenant ON model_answers TO collections_app USING (user_id = (SELECT current_user_id()));
CREATE POLICY system ON model_answers TO collections_system USING (true);
GRANT SELECT, INSERT, UPDATE, DELETE ON model_answers TO collections_app;
GRANT SELECT (stored_at), DELETE ON model_answers TO collections_system; -- it prunes, and reads no answers

ALTER TABLE messages ADD COLUMN cached boolean NOT NULL DEFAULT false;
COMMENT ON COLUMN messages.cached IS 'of an answer: no model was asked for it, the same had been asked before';
ALTER TABLE analyses ADD COLUMN cached boolean NOT NULL DEFAULT false;
