-- Idempotency keys, and what the operator sees of failures.

CREATE TABLE idempotency_keys (
    user_id text NOT NULL REFERENCES users ON DELETE CASCADE,
    key text NOT NULL,
    fingerprint text NOT NULL,
    token uuid NOT NULL,
    creation_id uuid NOT NULL DEFAULT gen_random_uuid(),
    locked_until timestamptz NOT NULL,
    status int,
    headers jsonb,
    body text,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (user_id, key)
);
COMMENT ON COLUMN idempotency_keys.creation_id IS 'what the request creates gets its id from this, whoever answers it';
COMMENT ON COLUMN idempotency_keys.status IS 'of the answer kept, null while there is none';
CREATE INDEX idempotency_keys_created ON idempotency_keys (created_at);
ALTER TABLE idempotency_keys ENABLE ROW LEVEL SECURITY;
ALTER TABLE idempotency_keys FORCE ROW LEVEL SECURITY;
CREATE POLICY operator ON idempotency_keys TO collections_operator USING (true);
CREATE POLICY tenant ON idempotency_keys TO collections_app USING (user_id = (SELECT current_user_id()));
CREATE POLICY system ON idempotency_keys TO collections_system USING (true);
GRANT SELECT, INSERT, UPDATE, DELETE ON idempotency_keys TO collections_app;
GRANT SELECT (created_at), DELETE ON idempotency_keys TO collections_system; -- it prunes, and reads no answers

ALTER TABLE tasks ADD COLUMN id bigint GENERATED ALWAYS AS IDENTITY, ADD COLUMN last_error text;
COMMENT ON COLUMN tasks.last_error IS 'for the operator: the exception and its causes, without secrets';
CREATE UNIQUE INDEX tasks_id ON tasks (id);
CREATE INDEX tasks_failing ON tasks (state) WHERE error_code IS NOT NULL;
ALTER TABLE dead_letters ADD COLUMN attempts int NOT NULL DEFAULT 0, ADD COLUMN redriven_at timestamptz;
ALTER TABLE object_deletions ADD COLUMN id bigint GENERATED ALWAYS AS IDENTITY, ADD COLUMN attempts int NOT NULL DEFAULT 0;

-- Everything that went wrong and is not over: items that failed, that are tried again, whose worker is gone;
-- events that no function could handle; events that the bus, and deletions that S3, has refused three times.
CREATE VIEW failures WITH (security_invoker = true) AS
    SELECT 'task-' || id AS id, 'item' AS kind,
           CASE state WHEN 'failed' THEN 'failed' WHEN 'ready' THEN 'retrying' ELSE 'stalled' END AS status,
           user_id, item_id, stage, CASE state WHEN 'running' THEN 'worker_lost' ELSE error_code END AS reason,
           attempt AS attempts, coalesce(last_error, error_message) AS last_error,
           CASE state WHEN 'failed' THEN finished_at WHEN 'running' THEN lease_until ELSE coalesce(claimed_at, created_at) END AS failed_at,
           CASE state WHEN 'ready' THEN run_after END AS next_attempt_at
    FROM tasks
    WHERE (state IN ('failed', 'ready') AND error_code IS NOT NULL) OR (state = 'running' AND lease_until < now())
    UNION ALL
    SELECT 'letter-' || id, 'dead_letter', 'failed', user_id, item_id, NULL, reason,
           attempts, function || ': ' || error, received_at, NULL
    FROM dead_letters WHERE redriven_at IS NULL
    UNION ALL
    SELECT 'event-' || id, 'event', 'retrying', user_id, item_id, stage, 'not_published', attempts,
           'The event bus has not taken ' || detail_type || '.', due_at, locked_until
    FROM outbox WHERE published_at IS NULL AND attempts >= 3
    UNION ALL
    SELECT 'deletion-' || id, 'deletion', 'retrying', user_id, NULL, NULL, 'object_not_deleted', attempts,
           'S3 has not deleted ' || key || '.', created_at, created_at
    FROM object_deletions WHERE attempts >= 3;
GRANT SELECT ON failures TO collections_system;
