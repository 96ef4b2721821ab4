-- Rows of an export, put back as they were: whatever columns the lines have that the table has. A column that a later release
-- adds keeps its default. Return null, or why the rows do not fit the table; then none of them is there. The caller's own
-- rights and row-level security hold.
CREATE FUNCTION insert_rows(of_table regclass, lines text) RETURNS text
    LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
DECLARE
    given jsonb;
    columns text;
BEGIN
    given := lines::jsonb;
    SELECT string_agg(quote_ident(attname), ', ') INTO columns FROM pg_attribute
    WHERE attrelid = of_table AND attnum > 0 AND NOT attisdropped AND attidentity = '' AND attgenerated = ''
      AND given -> 0 ? attname;
    EXECUTE format('INSERT INTO %s (%s) SELECT %s FROM jsonb_populate_recordset(NULL::%s, $1)', of_table, columns, columns, of_table)
        USING given;
    RETURN NULL;
EXCEPTION WHEN data_exception OR integrity_constraint_violation OR program_limit_exceeded THEN
    RETURN SQLERRM;
END $$;
REVOKE ALL ON FUNCTION insert_rows FROM public;
GRANT EXECUTE ON FUNCTION insert_rows TO collections_app;
