-- One engine for all work: what outlasts a request is a task like an item's stage, in one table, one view of failures,
-- one timeline. Messages in queues wake tasks; the outbox only tells others what has happened.

-- The release before goes on working: it finds the columns, the unique key and the states that it knows.
ALTER TABLE tasks ADD CONSTRAINT tasks_item_stage UNIQUE (user_id, item_id, stage);
ALTER TABLE tasks DROP CONSTRAINT tasks_pkey;
ALTER TABLE tasks ADD CONSTRAINT tasks_pkey PRIMARY KEY USING INDEX tasks_id;
ALTER TABLE tasks
    ALTER item_id DROP NOT NULL,
    DROP CONSTRAINT tasks_stage_check,
    DROP CONSTRAINT tasks_state_check,
    ADD CHECK (state IN ('ready', 'running', 'done', 'failed', 'cancelled')),
    ADD COLUMN run_id uuid,
    ADD COLUMN input jsonb,
    ADD COLUMN output jsonb,
    ADD COLUMN started_at timestamptz,
    ADD CHECK (num_nonnulls(item_id, run_id) = 1),
    ADD CONSTRAINT tasks_run UNIQUE (user_id, run_id),
    ADD FOREIGN KEY (user_id) REFERENCES users ON DELETE CASCADE;
COMMENT ON COLUMN tasks.stage IS 'kind of work: a stage of an item, or the kind of a run';
COMMENT ON COLUMN tasks.run_id IS 'name of work that is no item''s; its user reads and cancels it as a run';
COMMENT ON COLUMN tasks.woken_at IS 'when a message for it was sent to its queue; null while it waits for a place in the queue';

CREATE INDEX tasks_waiting ON tasks (user_id, stage, run_after, id) WHERE state = 'ready' AND woken_at IS NULL;
CREATE INDEX tasks_woken ON tasks (user_id, stage) WHERE state IN ('ready', 'running') AND woken_at IS NOT NULL;
CREATE INDEX tasks_runs ON tasks (user_id, created_at DESC, run_id DESC) WHERE run_id IS NOT NULL;
CREATE INDEX tasks_old_runs ON tasks (finished_at) WHERE run_id IS NOT NULL;
-- Nobody knows whether the events that woke them until now still come. They are woken by messages instead.
UPDATE tasks SET woken_at = NULL WHERE state = 'ready';

-- The system wakes, expires and prunes tasks. It reads neither what was asked nor what was answered.
REVOKE ALL ON tasks FROM collections_system;
GRANT SELECT (id, user_id, item_id, run_id, stage, state, attempt, lease_until, run_after, woken_at, claimed_at, started_at,
              error_code, error_message, last_error, created_at, finished_at),
    UPDATE (state, attempt, token, lease_until, run_after, woken_at, error_code, error_message, last_error, finished_at),
    DELETE ON tasks TO collections_system;

ALTER TABLE item_events
    ALTER item_id DROP NOT NULL,
    ADD COLUMN run_id uuid,
    ADD CHECK (num_nonnulls(item_id, run_id) = 1),
    ADD FOREIGN KEY (user_id, run_id) REFERENCES tasks (user_id, run_id) ON DELETE CASCADE;
COMMENT ON TABLE item_events IS 'the timeline of an item or of a run';
CREATE INDEX item_events_run ON item_events (user_id, run_id, id) WHERE run_id IS NOT NULL;

DROP VIEW failures;
CREATE VIEW failures WITH (security_invoker = true) AS
    SELECT 'task-' || id AS id, CASE WHEN item_id IS NULL THEN 'run' ELSE 'item' END AS kind,
           CASE state WHEN 'failed' THEN 'failed' WHEN 'ready' THEN 'retrying' ELSE 'stalled' END AS status,
           user_id, item_id, run_id::text AS run_id, stage,
           CASE state WHEN 'running' THEN 'worker_lost' ELSE error_code END AS reason,
           attempt AS attempts, coalesce(last_error, error_message) AS last_error,
           CASE state WHEN 'failed' THEN finished_at WHEN 'running' THEN lease_until ELSE coalesce(claimed_at, created_at) END AS failed_at,
           CASE state WHEN 'ready' THEN run_after END AS next_attempt_at
    FROM tasks
    WHERE (state IN ('failed', 'ready') AND error_code IS NOT NULL) OR (state = 'running' AND lease_until < now())
    UNION ALL
    SELECT 'letter-' || id, 'dead_letter', 'failed', user_id, item_id, NULL, NULL, reason,
           attempts, function || ': ' || error, received_at, NULL
    FROM dead_letters WHERE redriven_at IS NULL
    UNION ALL
    SELECT 'event-' || id, 'event', 'retrying', user_id, item_id, NULL, stage, 'not_published', attempts,
           'The event bus has not taken ' || detail_type || '.', due_at, locked_until
    FROM outbox WHERE published_at IS NULL AND attempts >= 3
    UNION ALL
    SELECT 'deletion-' || id, 'deletion', 'retrying', user_id, NULL, NULL, NULL, 'object_not_deleted', attempts,
           'S3 has not deleted ' || key || '.', created_at, created_at
    FROM object_deletions WHERE attempts >= 3;
GRANT SELECT ON failures TO collections_system;

-- Runs move over now; those that the release before still makes or works on are moved by the sweep, a minute later. One
-- whose worker is gone stays running, so that the sweep counts its attempts: it is tried again, or has failed.
-- The next release drops the table and this function.
CREATE FUNCTION adopt_runs(older_than interval) RETURNS bigint LANGUAGE sql SECURITY DEFINER SET search_path = public AS $$
    WITH moved AS (
        DELETE FROM runs
        WHERE created_at <= now() - older_than AND (state <> 'running' OR lease_until < now())
        RETURNING *
    ), kept AS (
        INSERT INTO tasks (user_id, run_id, stage, state, lease_until, input, output, attempt, run_after, error_code, error_message,
                           last_error, created_at, started_at, finished_at)
        SELECT user_id, id, kind, CASE state WHEN 'queued' THEN 'ready' WHEN 'succeeded' THEN 'done' ELSE state END, lease_until,
               input, output, attempt, run_after, error_code, error_message, last_error, created_at, started_at, finished_at
        FROM moved ON CONFLICT (user_id, run_id) DO NOTHING
    )
    SELECT count(*) FROM moved
$$;
REVOKE ALL ON FUNCTION adopt_runs FROM public;
GRANT EXECUTE ON FUNCTION adopt_runs TO collections_system;
SELECT adopt_runs('0');
