-- A user without webhooks pays one look-up for them: nothing is put together that nobody is told.
CREATE OR REPLACE FUNCTION tell_of_item() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    outcome text;
    told jsonb;
BEGIN
    IF NOT EXISTS (SELECT FROM webhooks WHERE user_id = NEW.user_id AND enabled) THEN
        RETURN NULL;
    END IF;
    outcome := CASE NEW.status WHEN 'READY' THEN 'ready' ELSE 'failed' END;
    told := jsonb_build_object(
        'item_id', NEW.id, 'name', NEW.name, 'kind', NEW.kind, 'status', NEW.status, 'page_count', NEW.page_count,
        'failure_code', NEW.failure_code, 'failure_message', left(NEW.failure_message, 1000));
    PERFORM tell_webhooks(NEW.user_id, 'item.' || outcome, told);
    IF NEW.kind IS NOT DISTINCT FROM 'pdf' OR (NEW.kind IS NULL AND NEW.name ILIKE '%.pdf') THEN
        PERFORM tell_webhooks(NEW.user_id, 'document.' || outcome, told || jsonb_build_object('document_id', NEW.id));
    END IF;
    RETURN NULL;
END $$;

-- No statement looks for tasks by the time of their claim any more.
DROP INDEX tasks_claimed;
