-- The spine: users, uploads, items, analyses, chunks, search index, pipeline tasks, outbox.
-- Every tenant table is under forced row-level security. Two roles use them, neither owns them:
--   collections_app     one user's rows, the user being app.user_id of the transaction
--   collections_system  sweeps and relays over all users; only tables of the pipeline, entered by SET LOCAL ROLE
-- The owner is under the policies too (FORCE); it reads and migrates through collections_operator.

CREATE EXTENSION IF NOT EXISTS vector;

DO $$
BEGIN
    CREATE ROLE collections_app NOLOGIN NOSUPERUSER NOBYPASSRLS;
EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;
END $$;
DO $$
BEGIN
    CREATE ROLE collections_system NOLOGIN NOSUPERUSER NOBYPASSRLS;
EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;
END $$;
DO $$
BEGIN
    CREATE ROLE collections_operator NOLOGIN NOSUPERUSER NOBYPASSRLS;
EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;
END $$;
DO $$
BEGIN
    GRANT collections_operator TO CURRENT_USER;
    GRANT collections_system TO collections_app WITH INHERIT FALSE, SET TRUE;
    -- RDS Proxy refuses options= in the connection string, so the limits live on the role.
    ALTER ROLE collections_app SET statement_timeout = '60s';
    ALTER ROLE collections_app SET idle_in_transaction_session_timeout = '60s';
    ALTER ROLE collections_app SET lock_timeout = '10s';
EXCEPTION WHEN unique_violation OR internal_error THEN NULL; -- another database of this cluster does the same right now
END $$;

CREATE TABLE users (
    id text PRIMARY KEY CHECK (id ~ '^[A-Za-z0-9][A-Za-z0-9._@+-]{0,63}$'),
    number int GENERATED ALWAYS AS IDENTITY UNIQUE,
    created_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON COLUMN users.number IS 'the owner in the search index, where a text id in every row would double its size';

CREATE TABLE items (
    user_id text NOT NULL REFERENCES users ON DELETE CASCADE,
    id text NOT NULL,
    key text NOT NULL,
    name text NOT NULL,
    kind text CHECK (kind IN ('image', 'pdf')),
    status text NOT NULL CHECK (status IN ('PENDING', 'PROCESSING', 'ANALYZING', 'EMBEDDING', 'READY', 'FAILED')),
    failure_code text,
    failure_message text,
    media_type text,
    size_bytes bigint,
    sha256 text,
    etag text,
    generation int NOT NULL DEFAULT 1,
    width_px int,
    height_px int,
    page_count int,
    title text,
    taken_at timestamp,
    camera text,
    latitude float8,
    longitude float8,
    thumbnail_key text,
    preview_key text,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    ready_at timestamptz,
    PRIMARY KEY (user_id, id)
);
COMMENT ON COLUMN items.taken_at IS 'as the camera wrote it: local time of an unknown zone';
CREATE UNIQUE INDEX items_sha256 ON items (user_id, sha256) WHERE sha256 IS NOT NULL;
CREATE INDEX items_created ON items (user_id, created_at DESC, id DESC);

CREATE TABLE uploads (
    user_id text NOT NULL REFERENCES users ON DELETE CASCADE,
    id uuid NOT NULL DEFAULT gen_random_uuid(),
    key text NOT NULL,
    status text NOT NULL CHECK (status IN ('pending', 'received', 'duplicate', 'expired')),
    filename text NOT NULL,
    content_type text,
    size_bytes bigint,
    sha256 text,
    etag text,
    sequencer text,
    item_id text,
    created_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz,
    received_at timestamptz,
    PRIMARY KEY (user_id, id),
    UNIQUE (user_id, key),
    FOREIGN KEY (user_id, item_id) REFERENCES items (user_id, id) ON DELETE CASCADE
);
COMMENT ON COLUMN uploads.sha256 IS 'as announced; forgotten when other bytes are written to the key later';
COMMENT ON TABLE uploads IS 'objects we expect or have seen under <user>/; several may be one item';
CREATE INDEX uploads_item ON uploads (user_id, item_id);
CREATE INDEX uploads_pending ON uploads (created_at) WHERE status = 'pending';

CREATE TABLE analyses (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    user_id text NOT NULL,
    item_id text NOT NULL,
    version int NOT NULL,
    is_current boolean NOT NULL,
    category text NOT NULL,
    summary text NOT NULL,
    labels text[] NOT NULL,
    text_in_image text NOT NULL,
    language text,
    provider text NOT NULL,
    model text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (user_id, item_id, version),
    FOREIGN KEY (user_id, item_id) REFERENCES items (user_id, id) ON DELETE CASCADE
);
CREATE UNIQUE INDEX analyses_current ON analyses (user_id, item_id) WHERE is_current;

CREATE TABLE chunks (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    user_id text NOT NULL,
    item_id text NOT NULL,
    source text NOT NULL CHECK (source IN ('text', 'caption', 'ocr')),
    ordinal int NOT NULL,
    page int NOT NULL,
    char_start int NOT NULL,
    char_end int NOT NULL,
    text text NOT NULL,
    UNIQUE (user_id, item_id, source, ordinal),
    FOREIGN KEY (user_id, item_id) REFERENCES items (user_id, id) ON DELETE CASCADE
);
COMMENT ON COLUMN chunks.char_start IS 'offsets are within the page''s text; between two chunks of a page there is only white space';

-- BM25 by page: postings, document frequencies and lengths, per owner so that nothing leaks between tenants.
CREATE TABLE pages (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    user_id text NOT NULL,
    item_id text NOT NULL,
    number int NOT NULL,
    UNIQUE (user_id, item_id, number),
    FOREIGN KEY (user_id, item_id) REFERENCES items (user_id, id) ON DELETE CASCADE
);
COMMENT ON TABLE pages IS 'the lexical index''s documents: an image is one page';
CREATE TABLE postings (
    owner int NOT NULL,
    term int NOT NULL,
    page_id bigint NOT NULL REFERENCES pages ON DELETE CASCADE,
    tf smallint NOT NULL,
    dl int NOT NULL
);
COMMENT ON COLUMN postings.term IS 'hashtext(lexeme)';
COMMENT ON COLUMN postings.dl IS 'the page''s length in lexemes, stop words not counted';
CREATE INDEX postings_term ON postings (owner, term);
CREATE INDEX postings_page ON postings (page_id);
CREATE TABLE term_df (
    owner int NOT NULL,
    term int NOT NULL,
    n int NOT NULL,
    PRIMARY KEY (owner, term)
);
CREATE TABLE corpus_stats (
    owner int PRIMARY KEY,
    pages bigint NOT NULL DEFAULT 0,
    total_length bigint NOT NULL DEFAULT 0
);

-- Vectors: one narrow partition per embedding set, no HNSW: exact search over the owner's rows.
CREATE TABLE embedding_sets (
    id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    model text NOT NULL,
    dimensions int NOT NULL CHECK (dimensions BETWEEN 1 AND 4000),
    state text NOT NULL CHECK (state IN ('live', 'building', 'retired')),
    created_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (model, dimensions)
);
CREATE UNIQUE INDEX embedding_sets_live ON embedding_sets (state) WHERE state = 'live';
CREATE TABLE vectors (
    set_id int NOT NULL REFERENCES embedding_sets,
    owner int NOT NULL,
    chunk_id bigint NOT NULL REFERENCES chunks ON DELETE CASCADE,
    vector halfvec NOT NULL,
    PRIMARY KEY (set_id, chunk_id)
) PARTITION BY LIST (set_id);
ALTER TABLE vectors ALTER COLUMN vector SET STORAGE PLAIN;
CREATE INDEX vectors_owner ON vectors (owner);
CREATE INDEX vectors_chunk ON vectors (chunk_id);

CREATE FUNCTION create_embedding_set(wanted_model text, wanted_dimensions int) RETURNS int
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE set_id int;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('create_embedding_set'));
    SELECT id INTO set_id FROM embedding_sets WHERE model = wanted_model AND dimensions = wanted_dimensions;
    IF FOUND THEN RETURN set_id; END IF;
    INSERT INTO embedding_sets (model, dimensions, state)
        VALUES (wanted_model, wanted_dimensions,
                CASE WHEN EXISTS (SELECT FROM embedding_sets WHERE state = 'live') THEN 'building' ELSE 'live' END)
        RETURNING id INTO set_id;
    EXECUTE format('CREATE TABLE vectors_%s PARTITION OF vectors (CHECK (vector_dims(vector) = %s)) FOR VALUES IN (%s)',
                   set_id, wanted_dimensions, set_id);
    EXECUTE format('ALTER TABLE vectors_%s ENABLE ROW LEVEL SECURITY', set_id);
    EXECUTE format('ALTER TABLE vectors_%s FORCE ROW LEVEL SECURITY', set_id);
    RETURN set_id;
END $$;
REVOKE ALL ON FUNCTION create_embedding_set FROM public;
GRANT EXECUTE ON FUNCTION create_embedding_set TO collections_app;

-- The pipeline: one task per item and stage; Postgres is the truth, events are wake-ups.
CREATE TABLE tasks (
    user_id text NOT NULL,
    item_id text NOT NULL,
    stage text NOT NULL CHECK (stage IN ('process', 'analyze', 'embed')),
    state text NOT NULL DEFAULT 'ready' CHECK (state IN ('ready', 'running', 'done', 'failed')),
    attempt int NOT NULL DEFAULT 0,
    token uuid,
    lease_until timestamptz,
    run_after timestamptz NOT NULL DEFAULT now(),
    woken_at timestamptz,
    claimed_at timestamptz,
    error_code text,
    error_message text,
    created_at timestamptz NOT NULL DEFAULT now(),
    finished_at timestamptz,
    PRIMARY KEY (user_id, item_id, stage),
    FOREIGN KEY (user_id, item_id) REFERENCES items (user_id, id) ON DELETE CASCADE
);
COMMENT ON COLUMN tasks.woken_at IS 'when the bus accepted the event that wakes it; null while that event is in the outbox';
CREATE INDEX tasks_running ON tasks (lease_until) WHERE state = 'running';
CREATE INDEX tasks_ready ON tasks (woken_at) WHERE state = 'ready';
CREATE INDEX tasks_claimed ON tasks (stage, claimed_at);

CREATE TABLE outbox (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    user_id text NOT NULL,
    item_id text NOT NULL,
    stage text,
    source text NOT NULL,
    detail_type text NOT NULL,
    detail jsonb NOT NULL,
    due_at timestamptz NOT NULL DEFAULT now(),
    locked_until timestamptz,
    attempts int NOT NULL DEFAULT 0,
    published_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT now(),
    FOREIGN KEY (user_id, item_id) REFERENCES items (user_id, id) ON DELETE CASCADE
);
COMMENT ON COLUMN outbox.stage IS 'the task this event wakes, null when it only informs';
CREATE INDEX outbox_due ON outbox (due_at) WHERE published_at IS NULL;
CREATE INDEX outbox_published ON outbox (published_at) WHERE published_at IS NOT NULL;
CREATE INDEX outbox_item ON outbox (user_id, item_id);

CREATE TABLE item_events (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    user_id text NOT NULL,
    item_id text NOT NULL,
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    stage text,
    event text NOT NULL,
    attempt int,
    message text,
    FOREIGN KEY (user_id, item_id) REFERENCES items (user_id, id) ON DELETE CASCADE
);
COMMENT ON TABLE item_events IS 'an item''s timeline';
CREATE INDEX item_events_item ON item_events (user_id, item_id, id);

CREATE TABLE object_deletions (
    user_id text NOT NULL,
    key text NOT NULL,
    etag text,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (user_id, key)
);
COMMENT ON TABLE object_deletions IS 'objects still to be removed from S3, not before created_at; never ingested again';
COMMENT ON COLUMN object_deletions.etag IS 'of the object meant; one with another etag was written since and stays';

CREATE TABLE dead_letters (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    message_id text NOT NULL UNIQUE,
    function text NOT NULL,
    user_id text,
    item_id text,
    reason text NOT NULL,
    error text NOT NULL,
    payload jsonb NOT NULL,
    received_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE dead_letters IS 'events no function could handle; the operator''s, so only collections_system sees them';

CREATE TABLE sweep_cursors (
    name text PRIMARY KEY,
    position text NOT NULL
);

CREATE FUNCTION current_user_id() RETURNS text LANGUAGE sql STABLE
    AS $$ SELECT nullif(current_setting('app.user_id', true), '') $$;
CREATE FUNCTION current_owner() RETURNS int LANGUAGE sql STABLE
    AS $$ SELECT number FROM public.users WHERE id = nullif(current_setting('app.user_id', true), '') $$;

-- No user set: current_user_id() is null and no row matches.
DO $$
DECLARE name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['users', 'items', 'uploads', 'analyses', 'chunks', 'pages', 'tasks', 'outbox', 'item_events',
                                'object_deletions', 'postings', 'term_df', 'corpus_stats', 'vectors',
                                'dead_letters', 'sweep_cursors'] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', name);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', name);
        EXECUTE format('CREATE POLICY operator ON %I TO collections_operator USING (true)', name);
    END LOOP;
    FOREACH name IN ARRAY ARRAY['items', 'uploads', 'analyses', 'chunks', 'pages', 'tasks', 'outbox', 'item_events',
                                'object_deletions'] LOOP
        EXECUTE format('CREATE POLICY tenant ON %I TO collections_app USING (user_id = (SELECT current_user_id()))', name);
        EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON %I TO collections_app', name);
    END LOOP;
    FOREACH name IN ARRAY ARRAY['postings', 'term_df', 'corpus_stats', 'vectors'] LOOP
        EXECUTE format('CREATE POLICY tenant ON %I TO collections_app USING (owner = (SELECT current_owner()))', name);
        EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON %I TO collections_app', name);
    END LOOP;
    FOREACH name IN ARRAY ARRAY['items', 'uploads', 'tasks', 'outbox', 'item_events', 'object_deletions',
                                'dead_letters', 'sweep_cursors'] LOOP
        EXECUTE format('CREATE POLICY system ON %I TO collections_system USING (true)', name);
        EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON %I TO collections_system', name);
    END LOOP;
END $$;
CREATE POLICY tenant ON users TO collections_app USING (id = (SELECT current_user_id()));
GRANT SELECT, INSERT ON users TO collections_app;
GRANT SELECT ON embedding_sets TO collections_app;

CREATE VIEW embeddings WITH (security_invoker = true) AS
    SELECT v.chunk_id AS id, c.user_id, c.item_id, v.chunk_id, v.set_id,
           s.model AS embedding_model, s.dimensions AS embedding_dimensions, v.vector
    FROM vectors v
    JOIN chunks c ON c.id = v.chunk_id
    JOIN embedding_sets s ON s.id = v.set_id;
GRANT SELECT ON embeddings TO collections_app;

CREATE VIEW documents WITH (security_invoker = true) AS
    SELECT user_id, id AS document_id, sha256 AS file_hash, name AS filename, created_at AS upload_date, status, page_count,
           jsonb_build_object('title', title, 'size_bytes', size_bytes, 'media_type', media_type) AS metadata
    FROM items WHERE kind = 'pdf';
GRANT SELECT ON documents TO collections_app;
