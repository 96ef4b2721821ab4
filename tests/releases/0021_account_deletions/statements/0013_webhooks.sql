-- Webhooks: addresses of a user that are told what happens to the user's things. A delivery is a task of the engine. It is
-- made by a trigger, in the transaction of the change that it tells of, by whatever statement and release that was made.

CREATE TABLE webhooks (
    user_id text NOT NULL REFERENCES users ON DELETE CASCADE,
    id uuid NOT NULL,
    url text NOT NULL CHECK (char_length(url) <= 2000),
    description text NOT NULL DEFAULT '',
    events text[] NOT NULL CHECK (cardinality(events) > 0),
    enabled boolean NOT NULL DEFAULT true,
    disabled_reason text,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (user_id, id),
    CHECK (NOT (enabled AND disabled_reason IS NOT NULL))
);
COMMENT ON COLUMN webhooks.disabled_reason IS 'gone: the receiver answered 410; null when the user disabled it';

CREATE TABLE webhook_secrets (
    user_id text NOT NULL,
    webhook_id uuid NOT NULL,
    secret text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    expires_at timestamptz,
    PRIMARY KEY (user_id, webhook_id, secret),
    FOREIGN KEY (user_id, webhook_id) REFERENCES webhooks (user_id, id) ON DELETE CASCADE
);
COMMENT ON TABLE webhook_secrets IS 'as they are, since each delivery is signed with them; no answer of the API has one twice';
COMMENT ON COLUMN webhook_secrets.expires_at IS 'null for the newest; the ones before sign too until then';

CREATE TABLE webhook_deliveries (
    user_id text NOT NULL,
    id uuid NOT NULL DEFAULT gen_random_uuid(),
    webhook_id uuid NOT NULL,
    event text NOT NULL,
    data jsonb NOT NULL,
    attempts int NOT NULL DEFAULT 0,
    status int,
    error text,
    took_ms int,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    retried_from timestamptz NOT NULL DEFAULT clock_timestamp(),
    attempted_at timestamptz,
    delivered_at timestamptz,
    failed_at timestamptz,
    PRIMARY KEY (user_id, id),
    FOREIGN KEY (user_id, webhook_id) REFERENCES webhooks (user_id, id) ON DELETE CASCADE
);
COMMENT ON COLUMN webhook_deliveries.status IS 'of the receiver''s last answer';
COMMENT ON COLUMN webhook_deliveries.retried_from IS 'attempts end three days later; a redelivery sets it anew';
CREATE INDEX webhook_deliveries_log ON webhook_deliveries (user_id, webhook_id, created_at DESC, id DESC);
CREATE INDEX webhook_deliveries_created ON webhook_deliveries (created_at);

ALTER TABLE tasks
    ADD COLUMN delivery_id uuid,
    DROP CONSTRAINT tasks_check,
    ADD CONSTRAINT tasks_subject CHECK (num_nonnulls(item_id, run_id, delivery_id) = 1),
    ADD CONSTRAINT tasks_delivery UNIQUE (user_id, delivery_id),
    ADD FOREIGN KEY (user_id, delivery_id) REFERENCES webhook_deliveries (user_id, id) ON DELETE CASCADE;

DO $$
DECLARE name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['webhooks', 'webhook_secrets', 'webhook_deliveries'] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', name);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', name);
        EXECUTE format('CREATE POLICY operator ON %I TO collections_operator USING (true)', name);
        EXECUTE format('CREATE POLICY tenant ON %I TO collections_app USING (user_id = (SELECT current_user_id()))', name);
        EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON %I TO collections_app', name);
    END LOOP;
END $$;
CREATE POLICY system ON webhook_deliveries TO collections_system USING (true);
GRANT SELECT (created_at), DELETE ON webhook_deliveries TO collections_system; -- it prunes, and reads nothing
GRANT SELECT (delivery_id) ON tasks TO collections_system;

-- Texts are cut so that a delivery stays under 20 kB. One look-up by the user's id in an index, and nothing written, for a user who has no webhook.
CREATE FUNCTION tell_webhooks(of_user text, of_event text, of_data jsonb) RETURNS void
    LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
    WITH told AS (
        INSERT INTO webhook_deliveries (user_id, webhook_id, event, data)
        SELECT user_id, id, of_event, of_data FROM webhooks
        WHERE user_id = of_user AND enabled AND of_event = ANY (events)
        RETURNING user_id, id
    )
    INSERT INTO tasks (user_id, delivery_id, stage, input)
    SELECT user_id, id, 'webhook', jsonb_build_object('delivery_id', id) FROM told
$$;
REVOKE ALL ON FUNCTION tell_webhooks FROM public;

CREATE FUNCTION tell_of_item() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    is_document boolean := NEW.kind IS NOT DISTINCT FROM 'pdf' OR (NEW.kind IS NULL AND NEW.name ILIKE '%.pdf');
    outcome text := CASE NEW.status WHEN 'READY' THEN 'ready' ELSE 'failed' END;
    told jsonb := jsonb_build_object(
        'item_id', NEW.id, 'name', NEW.name, 'kind', NEW.kind, 'status', NEW.status, 'page_count', NEW.page_count,
        'failure_code', NEW.failure_code, 'failure_message', left(NEW.failure_message, 1000));
BEGIN
    PERFORM tell_webhooks(NEW.user_id, 'item.' || outcome, told);
    IF is_document THEN
        PERFORM tell_webhooks(NEW.user_id, 'document.' || outcome, told || jsonb_build_object('document_id', NEW.id));
    END IF;
    RETURN NULL;
END $$;
REVOKE ALL ON FUNCTION tell_of_item FROM public;
CREATE TRIGGER items_told AFTER UPDATE OF status ON items FOR EACH ROW
    WHEN (NEW.status IN ('READY', 'FAILED') AND OLD.status IS DISTINCT FROM NEW.status)
    EXECUTE FUNCTION tell_of_item();

CREATE FUNCTION tell_of_run() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE outcome text := CASE NEW.state WHEN 'done' THEN 'succeeded' ELSE NEW.state END;
BEGIN
    PERFORM tell_webhooks(NEW.user_id, 'run.' || outcome, jsonb_build_object(
        'run_id', NEW.run_id, 'kind', NEW.stage, 'state', outcome,
        'error_code', NEW.error_code, 'error_message', left(NEW.error_message, 1000)));
    RETURN NULL;
END $$;
REVOKE ALL ON FUNCTION tell_of_run FROM public;
CREATE TRIGGER tasks_told AFTER UPDATE OF state ON tasks FOR EACH ROW
    WHEN (NEW.run_id IS NOT NULL AND NEW.state IN ('done', 'failed', 'cancelled') AND OLD.state IS DISTINCT FROM NEW.state)
    EXECUTE FUNCTION tell_of_run();

-- Deliveries that fail are their user's, who reads them in the log of the webhook; the operator can do nothing about them.
CREATE OR REPLACE VIEW failures WITH (security_invoker = true) AS
    SELECT 'task-' || id AS id, CASE WHEN item_id IS NULL THEN 'run' ELSE 'item' END AS kind,
           CASE state WHEN 'failed' THEN 'failed' WHEN 'ready' THEN 'retrying' ELSE 'stalled' END AS status,
           user_id, item_id, run_id::text AS run_id, stage,
           CASE state WHEN 'running' THEN 'worker_lost' ELSE error_code END AS reason,
           attempt AS attempts, coalesce(last_error, error_message) AS last_error,
           CASE state WHEN 'failed' THEN finished_at WHEN 'running' THEN lease_until ELSE coalesce(claimed_at, created_at) END AS failed_at,
           CASE state WHEN 'ready' THEN run_after END AS next_attempt_at
    FROM tasks
    WHERE delivery_id IS NULL
      AND ((state IN ('failed', 'ready') AND error_code IS NOT NULL) OR (state = 'running' AND lease_until < now()))
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
