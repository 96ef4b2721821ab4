-- What operators have had the operating function do, one row a command; written before the command is done.
CREATE TABLE audit_log (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at timestamptz NOT NULL DEFAULT now(),
    command text NOT NULL,
    email text,
    request_id text NOT NULL
);
COMMENT ON COLUMN audit_log.email IS 'the account that the command is about';
COMMENT ON COLUMN audit_log.request_id IS 'of the call of the function; CloudTrail has who made it';

ALTER TABLE audit_log ENABLE ROW LEVEL SECURITY;
ALTER TABLE audit_log FORCE ROW LEVEL SECURITY;
-- The app has no grant. The operator adds and reads: there is no policy to change or delete a row.
CREATE POLICY operator_reads ON audit_log FOR SELECT TO collections_operator USING (true);
CREATE POLICY operator_adds ON audit_log FOR INSERT TO collections_operator WITH CHECK (true);
