-- Codes: one bit for each dimension of a vector. A search of a large owner scans them instead of the vectors, which are
-- 16 times as wide. Only owners of many vectors have codes; the sweep fills them (code_large_owners).

CREATE TABLE coded_owners (
    set_id int NOT NULL REFERENCES embedding_sets,
    owner int NOT NULL REFERENCES users (number) ON DELETE CASCADE,
    centre halfvec NOT NULL,
    since xid8,
    item_id text NOT NULL DEFAULT '',
    source text NOT NULL DEFAULT '',
    ordinal int NOT NULL DEFAULT 0,
    is_complete boolean NOT NULL DEFAULT false,
    PRIMARY KEY (set_id, owner)
);
COMMENT ON COLUMN coded_owners.centre IS 'mean of some of the vectors; a bit tells on which side of it a vector lies';
COMMENT ON COLUMN coded_owners.since IS 'all later transactions make codes for the vectors that they write';
COMMENT ON COLUMN coded_owners.item_id IS 'with source and ordinal: the chunk up to which earlier vectors have codes';

CREATE TABLE codes (
    set_id int NOT NULL,
    owner int NOT NULL,
    chunk_id bigint NOT NULL REFERENCES chunks ON DELETE CASCADE,
    code bit varying NOT NULL,
    PRIMARY KEY (set_id, chunk_id)
);
ALTER TABLE codes ALTER COLUMN code SET STORAGE PLAIN;
CREATE INDEX codes_owner ON codes (owner, set_id);
CREATE INDEX codes_chunk ON codes (chunk_id);

DO $$
DECLARE name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['coded_owners', 'codes'] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', name);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', name);
        EXECUTE format('CREATE POLICY operator ON %I TO collections_operator USING (true)', name);
        EXECUTE format('CREATE POLICY tenant ON %I TO collections_app USING (owner = (SELECT current_owner()))', name);
    END LOOP;
END $$;
GRANT SELECT ON coded_owners TO collections_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON codes TO collections_app;

-- Whoever writes the vectors of a coded owner makes their codes with them, also the release before this one.
CREATE FUNCTION code_written_vectors() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
    INSERT INTO codes (set_id, owner, chunk_id, code)
    SELECT w.set_id, w.owner, w.chunk_id, binary_quantize(w.vector - o.centre)
    FROM written w JOIN coded_owners o ON o.set_id = w.set_id AND o.owner = w.owner
    ON CONFLICT (set_id, chunk_id) DO UPDATE SET code = excluded.code;
    RETURN NULL;
END $$;
CREATE TRIGGER vectors_inserted AFTER INSERT ON vectors REFERENCING NEW TABLE AS written
    FOR EACH STATEMENT EXECUTE FUNCTION code_written_vectors();
CREATE TRIGGER vectors_updated AFTER UPDATE ON vectors REFERENCING NEW TABLE AS written
    FOR EACH STATEMENT EXECUTE FUNCTION code_written_vectors();

-- One step: it finds owners of more than `bound` vectors, or makes codes for at most `at_most` chunks of one of them.
-- Returns 0 when there is nothing to do, or earlier transactions still have to end.
CREATE FUNCTION code_large_owners(bound int, at_most int) RETURNS int
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    filled coded_owners;
    done int;
BEGIN
    SELECT * INTO filled FROM coded_owners WHERE NOT is_complete ORDER BY set_id, owner LIMIT 1 FOR UPDATE SKIP LOCKED;
    IF NOT FOUND THEN
        INSERT INTO coded_owners (set_id, owner, centre)
        SELECT s.id, c.owner, (
            SELECT avg(vector) FROM (SELECT vector FROM vectors WHERE set_id = s.id AND owner = c.owner LIMIT 2000) v)
        FROM corpus_stats c CROSS JOIN embedding_sets s
        -- A chunk has some twenty words and more: who has fewer words and pages is not counted.
        WHERE c.pages + c.total_length / 20 > bound AND s.state <> 'retired'
          AND NOT EXISTS (SELECT FROM coded_owners o WHERE o.set_id = s.id AND o.owner = c.owner)
          AND bound < (SELECT count(*) FROM (
              SELECT FROM vectors WHERE set_id = s.id AND owner = c.owner LIMIT bound + 1) v)
        ON CONFLICT DO NOTHING;
        GET DIAGNOSTICS done = ROW_COUNT;
        RETURN done;
    END IF;
    -- A writer that did not see the owner here may still be at work: what it writes is to be seen by the steps below.
    IF filled.since IS NULL THEN
        UPDATE coded_owners SET since = pg_snapshot_xmax(pg_current_snapshot())
            WHERE set_id = filled.set_id AND owner = filled.owner;
        RETURN 1;
    END IF;
    IF pg_snapshot_xmin(pg_current_snapshot()) < filled.since THEN
        RETURN 0;
    END IF;
    WITH batch AS MATERIALIZED (
        SELECT c.id, c.item_id, c.source, c.ordinal FROM chunks c
        WHERE c.user_id = (SELECT id FROM users WHERE number = filled.owner)
          AND (c.item_id, c.source, c.ordinal) > (filled.item_id, filled.source, filled.ordinal)
        ORDER BY c.item_id, c.source, c.ordinal LIMIT at_most
        FOR KEY SHARE
    ), made AS (
        INSERT INTO codes (set_id, owner, chunk_id, code)
        SELECT v.set_id, v.owner, v.chunk_id, binary_quantize(v.vector - filled.centre) FROM vectors v
        WHERE v.set_id = filled.set_id AND v.owner = filled.owner AND v.chunk_id = ANY (ARRAY (SELECT id FROM batch))
        ON CONFLICT DO NOTHING
    ), last_chunk AS (
        SELECT item_id, source, ordinal FROM batch ORDER BY item_id DESC, source DESC, ordinal DESC LIMIT 1
    )
    UPDATE coded_owners o
    SET item_id = coalesce(l.item_id, o.item_id), source = coalesce(l.source, o.source),
        ordinal = coalesce(l.ordinal, o.ordinal), is_complete = (SELECT count(*) < at_most FROM batch)
    FROM (SELECT) one LEFT JOIN last_chunk l ON true
    WHERE o.set_id = filled.set_id AND o.owner = filled.owner;
    RETURN 1;
END $$;
REVOKE ALL ON FUNCTION code_large_owners FROM public;
GRANT EXECUTE ON FUNCTION code_large_owners TO collections_system;

-- As before, and their codes.
CREATE OR REPLACE FUNCTION drop_retired_vectors() RETURNS TABLE (model text, dimensions int, bytes bigint)
    LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
DECLARE retired record;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('create_embedding_set'));
    DELETE FROM generations WHERE state = 'retired';
    FOR retired IN
        SELECT s.id, s.model, s.dimensions FROM embedding_sets s
        WHERE s.state = 'retired' AND NOT EXISTS (SELECT FROM generation_sets g WHERE g.set_id = s.id) ORDER BY s.id
    LOOP
        model := retired.model;
        dimensions := retired.dimensions;
        CONTINUE WHEN pg_relation_size(format('vectors_%s', retired.id)::regclass) = 0;
        bytes := pg_total_relation_size(format('vectors_%s', retired.id)::regclass);
        DELETE FROM codes WHERE set_id = retired.id;
        DELETE FROM coded_owners WHERE set_id = retired.id;
        EXECUTE format('TRUNCATE vectors_%s', retired.id);
        RETURN NEXT;
    END LOOP;
END $$;
