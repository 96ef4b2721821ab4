-- Jobs and their runs. A run of a job is a task of the engine, its driver; job_runs has what its user sees of it, and run_files
-- a line for each file. The driver alone writes the counts, a step at a time: no row is locked by every file that ends.
CREATE TABLE jobs (
    user_id text NOT NULL REFERENCES users ON DELETE CASCADE,
    id uuid NOT NULL,
    name text NOT NULL,
    description text NOT NULL DEFAULT '',
    kind text NOT NULL,
    parameters jsonb NOT NULL DEFAULT '{}',
    collection_id uuid,
    max_cost_usd numeric CHECK (max_cost_usd > 0),
    schedule text,
    next_run_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (user_id, id),
    FOREIGN KEY (user_id, collection_id) REFERENCES collections (user_id, id) ON DELETE SET NULL (collection_id)
);
COMMENT ON COLUMN jobs.schedule IS 'a cron line, in UTC';
COMMENT ON COLUMN jobs.next_run_at IS 'null without a schedule';
CREATE INDEX jobs_created ON jobs (user_id, created_at DESC, id DESC);
CREATE INDEX jobs_due ON jobs (next_run_at) WHERE next_run_at IS NOT NULL;

CREATE TABLE job_runs (
    user_id text NOT NULL,
    run_id uuid NOT NULL,
    job_id uuid,
    kind text NOT NULL,
    parameters jsonb NOT NULL,
    collection_id uuid,
    max_cost_usd numeric CHECK (max_cost_usd > 0),
    state text NOT NULL DEFAULT 'queued' CHECK (state IN ('queued', 'validating', 'running', 'finalizing', 'cancelling', 'succeeded',
                                                          'partially_succeeded', 'failed', 'cancelled', 'expired')),
    input_key text,
    input_etag text,
    multipart_key text,
    multipart_id text,
    total int NOT NULL DEFAULT 0,
    done int NOT NULL DEFAULT 0,
    failed int NOT NULL DEFAULT 0,
    skipped int NOT NULL DEFAULT 0,
    progress jsonb NOT NULL DEFAULT '{}',
    error_code text,
    error_message text,
    retry_of uuid,
    scheduled_for timestamptz,
    created_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz NOT NULL,
    validating_at timestamptz,
    running_at timestamptz,
    paused_at timestamptz,
    progressed_at timestamptz,
    stuck_at timestamptz,
    finalizing_at timestamptz,
    cancelling_at timestamptz,
    finished_at timestamptz,
    files_at timestamptz,
    PRIMARY KEY (user_id, run_id),
    FOREIGN KEY (user_id, run_id) REFERENCES tasks (user_id, run_id) ON DELETE CASCADE,
    FOREIGN KEY (user_id, job_id) REFERENCES jobs (user_id, id) ON DELETE SET NULL (job_id)
);
COMMENT ON COLUMN job_runs.parameters IS 'as the job had them when the run was made';
COMMENT ON COLUMN job_runs.input_key IS 'the object that was uploaded for it, in the bucket';
COMMENT ON COLUMN job_runs.multipart_id IS 'S3''s, of an upload in parts that is not complete yet';
COMMENT ON COLUMN job_runs.progress IS 'where its step goes on';
COMMENT ON COLUMN job_runs.progressed_at IS 'when a count last moved';
COMMENT ON COLUMN job_runs.files_at IS 'when results and errors were written to the bucket';
CREATE INDEX job_runs_job ON job_runs (user_id, job_id);
CREATE INDEX job_runs_open ON job_runs (expires_at) WHERE finished_at IS NULL;

CREATE TABLE run_files (
    user_id text NOT NULL,
    run_id uuid NOT NULL,
    number int NOT NULL,
    name text NOT NULL,
    key text,
    size_bytes bigint,
    item_id text,
    outcome text CHECK (outcome IN ('done', 'failed', 'skipped', 'cancelled')),
    code text,
    message text,
    page int,
    line int,
    started_at timestamptz,
    finished_at timestamptz,
    PRIMARY KEY (user_id, run_id, number),
    FOREIGN KEY (user_id, run_id) REFERENCES job_runs (user_id, run_id) ON DELETE CASCADE
);
COMMENT ON COLUMN run_files.item_id IS 'no reference: what became of a file is kept when its item is deleted';
COMMENT ON COLUMN run_files.line IS 'of an archive: which entry it is, from 1';
CREATE INDEX run_files_open ON run_files (user_id, run_id, number) WHERE outcome IS NULL;
CREATE INDEX run_files_item ON run_files (user_id, item_id) WHERE outcome IS NULL AND started_at IS NOT NULL;
CREATE INDEX run_files_errors ON run_files (user_id, run_id, number) WHERE code IS NOT NULL;

DO $$
DECLARE name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['jobs', 'job_runs', 'run_files'] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', name);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', name);
        EXECUTE format('CREATE POLICY operator ON %I TO collections_operator USING (true)', name);
        EXECUTE format('CREATE POLICY tenant ON %I TO collections_app USING (user_id = (SELECT current_user_id()))', name);
        EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON %I TO collections_app', name);
    END LOOP;
END $$;
-- The system finds what is due, overdue or stuck, and says so. It reads no names, parameters or messages.
CREATE POLICY system ON jobs TO collections_system USING (true);
GRANT SELECT (user_id, id, next_run_at) ON jobs TO collections_system;
CREATE POLICY system ON job_runs TO collections_system USING (true);
GRANT SELECT (user_id, run_id, state, input_key, expires_at, running_at, paused_at, progressed_at, stuck_at, finished_at, files_at),
    UPDATE (state, error_code, error_message, stuck_at, finished_at) ON job_runs TO collections_system;
-- A claim of a stage tells which run the file is of, for the ledger.
CREATE POLICY system ON run_files FOR SELECT TO collections_system USING (true);

-- A webhook is told of the end of a job's run by its own state; its task says only that its driver has stopped.
CREATE OR REPLACE FUNCTION tell_of_run() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE outcome text := CASE NEW.state WHEN 'done' THEN 'succeeded' ELSE NEW.state END;
BEGIN
    IF NEW.stage <> 'job' THEN
        PERFORM tell_webhooks(NEW.user_id, 'run.' || outcome, jsonb_build_object(
            'run_id', NEW.run_id, 'kind', NEW.stage, 'state', outcome,
            'error_code', NEW.error_code, 'error_message', left(NEW.error_message, 1000)));
    END IF;
    RETURN NULL;
END $$;
CREATE FUNCTION tell_of_job_run() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    PERFORM tell_webhooks(
        NEW.user_id,
        'run.' || CASE NEW.state WHEN 'partially_succeeded' THEN 'succeeded' WHEN 'expired' THEN 'failed' ELSE NEW.state END,
        jsonb_build_object(
            'run_id', NEW.run_id, 'job_id', NEW.job_id, 'kind', NEW.kind, 'state', NEW.state,
            'total', NEW.total, 'done', NEW.done, 'failed', NEW.failed, 'skipped', NEW.skipped,
            'error_code', NEW.error_code, 'error_message', left(NEW.error_message, 1000)));
    RETURN NULL;
END $$;
REVOKE ALL ON FUNCTION tell_of_job_run FROM public;
CREATE TRIGGER job_runs_told AFTER UPDATE OF state ON job_runs FOR EACH ROW
    WHEN (NEW.finished_at IS NOT NULL AND OLD.finished_at IS NULL)
    EXECUTE FUNCTION tell_of_job_run();
