-- Practice: concepts, exercises with the quote that proves their key, evaluations of answers, remediations.

CREATE TABLE concepts (
    user_id text NOT NULL REFERENCES users ON DELETE CASCADE,
    id uuid NOT NULL,
    phrase text NOT NULL CHECK (char_length(phrase) BETWEEN 1 AND 200),
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (user_id, id)
);
CREATE UNIQUE INDEX concepts_phrase ON concepts (user_id, lower(phrase));
CREATE INDEX concepts_created ON concepts (user_id, created_at DESC, id DESC);

CREATE TABLE exercises (
    user_id text NOT NULL,
    id uuid NOT NULL,
    concept_id uuid NOT NULL,
    student_id text NOT NULL,
    type text NOT NULL CHECK (type IN ('initial', 'advanced', 'remediation', 'practice')),
    kind text NOT NULL CHECK (kind IN ('multiple_choice', 'cloze', 'short_answer', 'ordered_steps')),
    difficulty text NOT NULL CHECK (difficulty IN ('basic', 'intermediate', 'advanced')),
    life_category text NOT NULL CHECK (life_category IN ('personal', 'career', 'social', 'philanthropic')),
    question text NOT NULL,
    answer_key text NOT NULL,
    options text[] NOT NULL,
    hints text[] NOT NULL,
    personalization text NOT NULL,
    item_id text NOT NULL,
    item_name text NOT NULL,
    item_sha256 text,
    source text NOT NULL CHECK (source IN ('text', 'caption', 'ocr')),
    page int NOT NULL,
    quote text NOT NULL,
    page_start int NOT NULL,
    page_end int NOT NULL,
    previous_exercise_id uuid,
    request_sha256 text NOT NULL,
    rejected jsonb NOT NULL DEFAULT '{}',
    report text,
    retired_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (user_id, id),
    FOREIGN KEY (user_id, concept_id) REFERENCES concepts (user_id, id) ON DELETE CASCADE
);
COMMENT ON COLUMN exercises.item_id IS 'no reference to items: an exercise of a deleted item is stale, and its history stays';
COMMENT ON COLUMN exercises.request_sha256 IS 'of the request it was made for, which gets it again within 24 hours';
COMMENT ON COLUMN exercises.rejected IS 'how many drafts the gate refused before this one, by reason';
CREATE INDEX exercises_created ON exercises (user_id, created_at DESC, id DESC);
CREATE INDEX exercises_concept ON exercises (user_id, concept_id);
CREATE INDEX exercises_request ON exercises (user_id, request_sha256, created_at DESC);

CREATE TABLE evaluations (
    user_id text NOT NULL,
    id uuid NOT NULL,
    exercise_id uuid NOT NULL,
    student_id text NOT NULL,
    response_text text NOT NULL,
    time_spent_seconds int,
    score double precision NOT NULL CHECK (score BETWEEN 0 AND 1),
    confidence double precision NOT NULL CHECK (confidence BETWEEN 0 AND 1),
    correct_steps text[] NOT NULL,
    missing_steps text[] NOT NULL,
    incorrect_steps text[] NOT NULL,
    partial_steps text[] NOT NULL,
    first_gap text,
    feedback text NOT NULL,
    next_action text NOT NULL CHECK (next_action IN ('continue', 'remediate', 'complete')),
    grader text NOT NULL,
    evaluated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (user_id, id),
    FOREIGN KEY (user_id, exercise_id) REFERENCES exercises (user_id, id) ON DELETE CASCADE
);
CREATE INDEX evaluations_exercise ON evaluations (user_id, exercise_id, evaluated_at DESC, id DESC);

CREATE TABLE remediations (
    user_id text NOT NULL,
    id uuid NOT NULL,
    evaluation_id uuid NOT NULL,
    exercise_id uuid NOT NULL,
    student_id text NOT NULL,
    target_gap text NOT NULL,
    content text NOT NULL,
    personalized_context text NOT NULL,
    problems jsonb NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (user_id, id),
    UNIQUE (user_id, evaluation_id),
    FOREIGN KEY (user_id, evaluation_id) REFERENCES evaluations (user_id, id) ON DELETE CASCADE
);

DO $$
DECLARE name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['concepts', 'exercises', 'evaluations', 'remediations'] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', name);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', name);
        EXECUTE format('CREATE POLICY operator ON %I TO collections_operator USING (true)', name);
        EXECUTE format('CREATE POLICY tenant ON %I TO collections_app USING (user_id = (SELECT current_user_id()))', name);
        EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON %I TO collections_app', name);
    END LOOP;
END $$;
