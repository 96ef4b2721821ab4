-- Reviews: decks of exercises, the log of reviews, what is known of a learner's memory of each exercise.

CREATE TABLE decks (
    user_id text NOT NULL REFERENCES users ON DELETE CASCADE,
    id uuid NOT NULL,
    name text NOT NULL CHECK (char_length(name) BETWEEN 1 AND 100),
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (user_id, id)
);
CREATE UNIQUE INDEX decks_name ON decks (user_id, lower(name));
CREATE INDEX decks_created ON decks (user_id, created_at DESC, id DESC);

CREATE TABLE deck_exercises (
    user_id text NOT NULL,
    deck_id uuid NOT NULL,
    exercise_id uuid NOT NULL,
    added_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (user_id, deck_id, exercise_id),
    FOREIGN KEY (user_id, deck_id) REFERENCES decks (user_id, id) ON DELETE CASCADE,
    FOREIGN KEY (user_id, exercise_id) REFERENCES exercises (user_id, id) ON DELETE CASCADE
);
CREATE INDEX deck_exercises_added ON deck_exercises (user_id, deck_id, added_at, exercise_id);
CREATE INDEX deck_exercises_exercise ON deck_exercises (user_id, exercise_id);

CREATE TABLE reviews (
    user_id text NOT NULL,
    id uuid NOT NULL,
    exercise_id uuid NOT NULL,
    rating int NOT NULL CHECK (rating BETWEEN 1 AND 4),
    reviewed_at timestamptz NOT NULL,
    duration_ms int CHECK (duration_ms BETWEEN 0 AND 86400000),
    source text NOT NULL CHECK (source IN ('review', 'evaluation', 'import')),
    PRIMARY KEY (user_id, id),
    UNIQUE (user_id, exercise_id, reviewed_at),
    FOREIGN KEY (user_id, exercise_id) REFERENCES exercises (user_id, id) ON DELETE CASCADE
);
CREATE INDEX reviews_reviewed ON reviews (user_id, reviewed_at, id);

CREATE TABLE cards (
    user_id text NOT NULL,
    exercise_id uuid NOT NULL,
    stability double precision,
    difficulty double precision,
    interval_days double precision,
    last_reviewed_at timestamptz,
    due_at timestamptz NOT NULL,
    review_count int NOT NULL DEFAULT 0,
    lapse_count int NOT NULL DEFAULT 0,
    planned_with int NOT NULL DEFAULT 0,
    PRIMARY KEY (user_id, exercise_id),
    FOREIGN KEY (user_id, exercise_id) REFERENCES exercises (user_id, id) ON DELETE CASCADE
);
COMMENT ON TABLE cards IS 'what the reviews of an exercise amount to, by FSRS-6; it can be computed from them again';
COMMENT ON COLUMN cards.stability IS 'days until the exercise is remembered with 90 percent; no value before a review';
COMMENT ON COLUMN cards.planned_with IS 'the version of review_settings that due_at was computed with';
CREATE INDEX cards_due ON cards (user_id, due_at, exercise_id);

CREATE TABLE review_settings (
    user_id text PRIMARY KEY REFERENCES users ON DELETE CASCADE,
    version int NOT NULL DEFAULT 0,
    desired_retention double precision NOT NULL DEFAULT 0.9 CHECK (desired_retention BETWEEN 0.7 AND 0.97),
    day_begins_utc_hour int NOT NULL DEFAULT 4 CHECK (day_begins_utc_hour BETWEEN 0 AND 23),
    new_a_day int NOT NULL DEFAULT 20 CHECK (new_a_day BETWEEN 1 AND 1000),
    parameters double precision[],
    fitted_at timestamptz,
    fitted_reviews int,
    log_loss_default double precision,
    log_loss_fitted double precision
);
COMMENT ON COLUMN review_settings.version IS 'counts the changes that due dates depend on';
COMMENT ON COLUMN review_settings.parameters IS 'of FSRS-6, fitted to the log; no value for its defaults';

DO $$
DECLARE name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['decks', 'deck_exercises', 'reviews', 'cards', 'review_settings'] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', name);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', name);
        EXECUTE format('CREATE POLICY operator ON %I TO collections_operator USING (true)', name);
        EXECUTE format('CREATE POLICY tenant ON %I TO collections_app USING (user_id = (SELECT current_user_id()))', name);
        EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON %I TO collections_app', name);
    END LOOP;
END $$;
