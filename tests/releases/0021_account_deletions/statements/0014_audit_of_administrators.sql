-- What administrators have the API do is kept beside what operators have done, and like it: before it is done, for good.
ALTER TABLE audit_log ADD COLUMN actor text, ADD COLUMN detail text;
COMMENT ON COLUMN audit_log.actor IS 'user id of the administrator who asked the API; null: an operator asked the operating function';
COMMENT ON COLUMN audit_log.detail IS 'the parameters of the request, as JSON, without secrets';

-- An administrator adds rows in their own name. Whoever is shown the log is checked before; content of users is not in it.
GRANT INSERT ON audit_log TO collections_app;
CREATE POLICY administrator_adds ON audit_log FOR INSERT TO collections_app
    WITH CHECK (actor = nullif(current_setting('app.user_id', true), ''));
GRANT SELECT ON audit_log TO collections_system;
CREATE POLICY system_reads ON audit_log FOR SELECT TO collections_system USING (true);
