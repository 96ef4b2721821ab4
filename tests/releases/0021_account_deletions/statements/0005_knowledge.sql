-- The knowledge base: collections, conversations with their checked citations, runs; checkpoints of long documents.

CREATE TABLE collections (
    user_id text NOT NULL REFERENCES users ON DELETE CASCADE,
    id uuid NOT NULL,
    name text NOT NULL CHECK (char_length(name) BETWEEN 1 AND 100),
    description text NOT NULL DEFAULT '',
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (user_id, id)
);
CREATE UNIQUE INDEX collections_name ON collections (user_id, lower(name));
CREATE TABLE collection_items (
    user_id text NOT NULL,
    collection_id uuid NOT NULL,
    item_id text NOT NULL,
    added_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (user_id, collection_id, item_id),
    FOREIGN KEY (user_id, collection_id) REFERENCES collections (user_id, id) ON DELETE CASCADE,
    FOREIGN KEY (user_id, item_id) REFERENCES items (user_id, id) ON DELETE CASCADE
);
CREATE INDEX collection_items_item ON collection_items (user_id, item_id);

CREATE TABLE conversations (
    user_id text NOT NULL REFERENCES users ON DELETE CASCADE,
    id uuid NOT NULL,
    title text NOT NULL DEFAULT '',
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (user_id, id)
);
COMMENT ON COLUMN conversations.title IS 'empty until somebody names it: then its first question stands in';
CREATE INDEX conversations_updated ON conversations (user_id, updated_at DESC, id DESC);

CREATE TABLE messages (
    user_id text NOT NULL,
    id uuid NOT NULL,
    conversation_id uuid NOT NULL,
    ordinal int NOT NULL,
    role text NOT NULL CHECK (role IN ('user', 'assistant')),
    content text NOT NULL,
    question text,
    outcome text CHECK (outcome IN ('answered', 'nothing_relevant', 'nothing_verified', 'refused')),
    reply_to uuid,
    collection_id uuid,
    item_ids text[],
    dropped int NOT NULL DEFAULT 0,
    missing text[] NOT NULL DEFAULT '{}',
    provider text,
    model text,
    input_tokens int,
    output_tokens int,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (user_id, id),
    UNIQUE (user_id, conversation_id, ordinal),
    FOREIGN KEY (user_id, conversation_id) REFERENCES conversations (user_id, id) ON DELETE CASCADE
);
COMMENT ON COLUMN messages.reply_to IS 'of an answer: the question, which others may have followed meanwhile';
COMMENT ON COLUMN messages.question IS 'of an answer: what was searched for, the question rewritten with the history';
COMMENT ON COLUMN messages.dropped IS 'of an answer: sentences left out because no quote of theirs stood the check';
COMMENT ON COLUMN messages.collection_id IS 'of a question: what it was bounded to, which may be gone since';

CREATE TABLE citations (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    user_id text NOT NULL,
    message_id uuid NOT NULL,
    ordinal int NOT NULL,
    item_id text NOT NULL,
    item_sha256 text,
    item_name text NOT NULL,
    source text NOT NULL CHECK (source IN ('text', 'caption', 'ocr')),
    page int NOT NULL,
    quote text NOT NULL,
    page_start int NOT NULL,
    page_end int NOT NULL,
    answer_start int NOT NULL,
    answer_end int NOT NULL,
    UNIQUE (user_id, message_id, ordinal),
    FOREIGN KEY (user_id, message_id) REFERENCES messages (user_id, id) ON DELETE CASCADE
);
COMMENT ON TABLE citations IS 'quotes that were found in the stored text; no reference to items, whose deletion makes them stale, not void';
COMMENT ON COLUMN citations.item_sha256 IS 'of the bytes quoted: the item has others now, the citation is stale';
COMMENT ON COLUMN citations.page_start IS 'offsets within the text of this source on this page, as chunks have them';
CREATE INDEX citations_item ON citations (user_id, item_id);

-- Work that outlasts a request. Postgres is the truth here too: the event that wakes a run is only sent from this table.
CREATE TABLE runs (
    user_id text NOT NULL REFERENCES users ON DELETE CASCADE,
    id uuid NOT NULL,
    kind text NOT NULL,
    state text NOT NULL DEFAULT 'queued' CHECK (state IN ('queued', 'running', 'succeeded', 'failed', 'cancelled')),
    input jsonb NOT NULL,
    output jsonb,
    attempt int NOT NULL DEFAULT 0,
    token uuid,
    lease_until timestamptz,
    run_after timestamptz NOT NULL DEFAULT now(),
    woken_at timestamptz,
    error_code text,
    error_message text,
    last_error text,
    created_at timestamptz NOT NULL DEFAULT now(),
    started_at timestamptz,
    finished_at timestamptz,
    PRIMARY KEY (user_id, id)
);
COMMENT ON COLUMN runs.woken_at IS 'when the bus last took the event that wakes it';
COMMENT ON COLUMN runs.last_error IS 'for the operator: the exception and its causes, without secrets';
CREATE INDEX runs_created ON runs (user_id, created_at DESC, id DESC);
CREATE INDEX runs_open ON runs (run_after) WHERE state IN ('queued', 'running');

-- A page's chunks are read for passages, page texts and citations; without it all of a long document's are.
CREATE INDEX chunks_page ON chunks (user_id, item_id, page);
ALTER TABLE items ADD COLUMN pages_read int NOT NULL DEFAULT 0;
COMMENT ON COLUMN items.pages_read IS 'checkpoint: the text of so many pages is in chunks; equals page_count once it is processed';
UPDATE items SET pages_read = coalesce(page_count, 0);
ALTER TABLE uploads ADD COLUMN multipart_id text;
COMMENT ON COLUMN uploads.multipart_id IS 'S3''s, of an upload in parts that is not complete yet';

CREATE INDEX uploads_in_parts ON uploads (status) WHERE multipart_id IS NOT NULL;

-- A document is one from the moment it is announced or named as a PDF, also when it then cannot be read.
CREATE OR REPLACE VIEW documents WITH (security_invoker = true) AS
    SELECT user_id, id AS document_id, sha256 AS file_hash, name AS filename, created_at AS upload_date, status, page_count,
           jsonb_build_object('title', title, 'size_bytes', size_bytes, 'media_type', media_type) AS metadata,
           kind IS NOT NULL AS is_read, pages_read, failure_code, failure_message
    FROM items i
    WHERE kind = 'pdf'
       OR (kind IS NULL AND (name ILIKE '%.pdf' OR EXISTS (
              SELECT FROM uploads u
              WHERE u.user_id = i.user_id AND u.item_id = i.id AND u.content_type = 'application/pdf')));

DO $$
DECLARE name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['collections', 'collection_items', 'conversations', 'messages', 'citations', 'runs'] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', name);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', name);
        EXECUTE format('CREATE POLICY operator ON %I TO collections_operator USING (true)', name);
        EXECUTE format('CREATE POLICY tenant ON %I TO collections_app USING (user_id = (SELECT current_user_id()))', name);
        EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON %I TO collections_app', name);
    END LOOP;
END $$;
CREATE POLICY system ON runs TO collections_system USING (true);
GRANT SELECT (user_id, id, kind, state, attempt, lease_until, run_after, woken_at, created_at, finished_at),
    UPDATE (state, attempt, token, lease_until, run_after, woken_at, error_code, error_message, finished_at), DELETE
    ON runs TO collections_system; -- it wakes, expires and prunes, and reads neither what was asked nor what was answered
