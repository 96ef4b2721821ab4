-- Vectors of pictures: sets of the kind 'picture'. The first set of a kind is live at once, and is in all generations, so
-- that a promotion and a rollback carry it along.

CREATE FUNCTION create_embedding_set(wanted_model text, wanted_dimensions int, wanted_kind text) RETURNS int
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    set_id int;
    is_first boolean;
    made_id int;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('create_embedding_set'));
    SELECT id INTO set_id FROM embedding_sets
        WHERE model = wanted_model AND dimensions = wanted_dimensions AND kind = wanted_kind;
    IF FOUND THEN RETURN set_id; END IF;
    is_first := NOT EXISTS (SELECT FROM embedding_sets WHERE state = 'live' AND kind = wanted_kind);
    INSERT INTO embedding_sets (model, dimensions, kind, state)
        VALUES (wanted_model, wanted_dimensions, wanted_kind, CASE WHEN is_first THEN 'live' ELSE 'building' END)
        RETURNING id INTO set_id;
    IF is_first AND wanted_kind = 'text' THEN
        INSERT INTO generations (state, promoted_at) VALUES ('live', now()) RETURNING id INTO made_id;
        INSERT INTO generation_sets SELECT made_id, s.kind, s.id FROM embedding_sets s WHERE s.state = 'live';
    ELSIF is_first THEN
        INSERT INTO generation_sets SELECT g.id, wanted_kind, set_id FROM generations g ON CONFLICT DO NOTHING;
    END IF;
    EXECUTE format('CREATE TABLE vectors_%s PARTITION OF vectors (CHECK (vector_dims(vector) = %s)) FOR VALUES IN (%s)',
                   set_id, wanted_dimensions, set_id);
    EXECUTE format('ALTER TABLE vectors_%s ENABLE ROW LEVEL SECURITY', set_id);
    EXECUTE format('ALTER TABLE vectors_%s FORCE ROW LEVEL SECURITY', set_id);
    RETURN set_id;
END $$;
REVOKE ALL ON FUNCTION create_embedding_set(text, int, text) FROM public;
GRANT EXECUTE ON FUNCTION create_embedding_set(text, int, text) TO collections_app;

CREATE OR REPLACE FUNCTION create_embedding_set(wanted_model text, wanted_dimensions int) RETURNS int
    LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT create_embedding_set(wanted_model, wanted_dimensions, 'text')
$$;
