-- Generations of the search index: one embedding set of each kind, promoted and rolled back whole. Searches use the sets of
-- the live generation, which is a single row; the sets' own state says the same, for the release before.

ALTER TABLE embedding_sets ADD COLUMN kind text NOT NULL DEFAULT 'text' CHECK (kind IN ('text', 'second_text', 'picture'));
DROP INDEX embedding_sets_live;
CREATE UNIQUE INDEX embedding_sets_live ON embedding_sets (kind) WHERE state = 'live';
ALTER TABLE embedding_sets DROP CONSTRAINT embedding_sets_model_dimensions_key, ADD UNIQUE (model, dimensions, kind);

CREATE TABLE generations (
    id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    state text NOT NULL CHECK (state IN ('building', 'live', 'retired')),
    created_at timestamptz NOT NULL DEFAULT now(),
    promoted_at timestamptz
);
CREATE UNIQUE INDEX generations_live ON generations (state) WHERE state = 'live';
CREATE TABLE generation_sets (
    generation_id int NOT NULL REFERENCES generations ON DELETE CASCADE,
    kind text NOT NULL,
    set_id int NOT NULL REFERENCES embedding_sets,
    PRIMARY KEY (generation_id, kind)
);
GRANT SELECT ON generations, generation_sets TO collections_app;
GRANT SELECT ON embedding_sets, generations, generation_sets TO collections_system;

WITH made AS (
    INSERT INTO generations (state, promoted_at) SELECT 'live', now() WHERE EXISTS (SELECT FROM embedding_sets WHERE state = 'live')
    RETURNING id
)
INSERT INTO generation_sets (generation_id, kind, set_id)
SELECT made.id, s.kind, s.id FROM made, embedding_sets s WHERE s.state = 'live';

CREATE OR REPLACE FUNCTION create_embedding_set(wanted_model text, wanted_dimensions int) RETURNS int
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    set_id int;
    is_first boolean;
    generation_id int;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('create_embedding_set'));
    SELECT id INTO set_id FROM embedding_sets WHERE model = wanted_model AND dimensions = wanted_dimensions AND kind = 'text';
    IF FOUND THEN RETURN set_id; END IF;
    is_first := NOT EXISTS (SELECT FROM embedding_sets WHERE state = 'live' AND kind = 'text');
    INSERT INTO embedding_sets (model, dimensions, state)
        VALUES (wanted_model, wanted_dimensions, CASE WHEN is_first THEN 'live' ELSE 'building' END)
        RETURNING id INTO set_id;
    IF is_first THEN
        INSERT INTO generations (state, promoted_at) VALUES ('live', now()) RETURNING id INTO generation_id;
        INSERT INTO generation_sets VALUES (generation_id, 'text', set_id);
    END IF;
    EXECUTE format('CREATE TABLE vectors_%s PARTITION OF vectors (CHECK (vector_dims(vector) = %s)) FOR VALUES IN (%s)',
                   set_id, wanted_dimensions, set_id);
    EXECUTE format('ALTER TABLE vectors_%s ENABLE ROW LEVEL SECURITY', set_id);
    EXECUTE format('ALTER TABLE vectors_%s FORCE ROW LEVEL SECURITY', set_id);
    RETURN set_id;
END $$;
