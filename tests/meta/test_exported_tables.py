"""An export has all that a user has: every table is in it, or is left out for a reason."""

import psycopg2

from chalicelib.model.jobs.exports import LEFT_OUT, TABLES


def test_every_table_with_rows_of_a_user_is_exported_or_left_out_for_a_reason(template_url: str) -> None:
    """A new table: add it to TABLES, to the lines of stores/jobs/exports.sql and to ops/jobs/import_rows.py."""
    connection = psycopg2.connect(template_url)
    with connection, connection.cursor() as cursor:
        cursor.execute(
            "SELECT DISTINCT c.relname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid"
            " WHERE c.relkind IN ('r', 'p') AND c.relnamespace = 'public'::regnamespace AND NOT c.relispartition"
            " AND (a.attname IN ('user_id', 'owner') OR c.relname = 'users')"
        )
        found = {name for (name,) in cursor.fetchall()}
    connection.close()
    assert found == {*TABLES, *LEFT_OUT}
    assert not TABLES.keys() & LEFT_OUT.keys()
