-- A job names a webhook that is told of its runs, whatever else the webhook is told of.
ALTER TABLE jobs
    ADD COLUMN webhook_id uuid,
    ADD FOREIGN KEY (user_id, webhook_id) REFERENCES webhooks (user_id, id) ON DELETE SET NULL (webhook_id);
COMMENT ON COLUMN jobs.webhook_id IS 'told of the ends of its runs, also if it does not ask for such events';

DROP FUNCTION tell_webhooks(text, text, jsonb);
CREATE FUNCTION tell_webhooks(of_user text, of_event text, of_data jsonb, named uuid DEFAULT NULL) RETURNS void
    LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
    WITH told AS (
        INSERT INTO webhook_deliveries (user_id, webhook_id, event, data)
        SELECT user_id, id, of_event, of_data FROM webhooks
        WHERE user_id = of_user AND enabled AND (of_event = ANY (events) OR id = named)
        RETURNING user_id, id
    )
    INSERT INTO tasks (user_id, delivery_id, stage, input)
    SELECT user_id, id, 'webhook', jsonb_build_object('delivery_id', id) FROM told
$$;
REVOKE ALL ON FUNCTION tell_webhooks FROM public;

CREATE OR REPLACE FUNCTION tell_of_job_run() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    PERFORM tell_webhooks(
        NEW.user_id,
        'run.' || CASE NEW.state WHEN 'partially_succeeded' THEN 'succeeded' WHEN 'expired' THEN 'failed' ELSE NEW.state END,
        jsonb_build_object(
            'run_id', NEW.run_id, 'job_id', NEW.job_id, 'kind', NEW.kind, 'state', NEW.state,
            'total', NEW.total, 'done', NEW.done, 'failed', NEW.failed, 'skipped', NEW.skipped,
            'error_code', NEW.error_code, 'error_message', left(NEW.error_message, 1000)),
        (SELECT webhook_id FROM jobs WHERE user_id = NEW.user_id AND id = NEW.job_id));
    RETURN NULL;
END $$;

-- How many tasks of a kind have a worker, of all users together: a claim sees only its own user's.
CREATE FUNCTION count_at_work(kind text) RETURNS bigint
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT count(*) FROM tasks WHERE stage = kind AND state = 'running' AND lease_until >= clock_timestamp()
$$;
REVOKE ALL ON FUNCTION count_at_work FROM public;
GRANT EXECUTE ON FUNCTION count_at_work TO collections_app;

-- Vectors of sets that no generation uses any more. A rollback to what was retired is not possible afterwards.
CREATE FUNCTION drop_retired_vectors() RETURNS TABLE (model text, dimensions int, bytes bigint)
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
        EXECUTE format('TRUNCATE vectors_%s', retired.id);
        RETURN NEXT;
    END LOOP;
END $$;
REVOKE ALL ON FUNCTION drop_retired_vectors FROM public;
