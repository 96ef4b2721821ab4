-- A function that is frozen cannot close its connection, and a database does not pause while somebody is connected.
DO $$
BEGIN
    ALTER ROLE collections_app SET idle_session_timeout = '2min';
EXCEPTION WHEN unique_violation OR internal_error THEN NULL; -- another database of this cluster does the same right now
END $$;
