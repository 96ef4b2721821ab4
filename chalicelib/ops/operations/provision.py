"""Prepares a stage's database as its owner: the schema, the role of the app, and what a doctor asks of it."""

from secrets import token_urlsafe
from urllib.parse import quote, urlsplit, urlunsplit

import psycopg2

from chalicelib.stores.postgres.migrate import (
    APP_ROLE,
    find_extension,
    find_missing,
    migrate,
    set_app_password,
)


def migrate_database(owner_url: str) -> list[str]:
    """Apply the missing migrations. Return their names."""
    return migrate(owner_url)


def renew_app_password(owner_url: str) -> str:
    """Give the app's role a new random password. Return the URL that the app logs in with, DATABASE_URL."""
    password = token_urlsafe(32)
    set_app_password(owner_url, password)
    parts = urlsplit(owner_url)
    place = parts.netloc.rpartition("@")[2]
    return urlunsplit(parts._replace(netloc=f"{APP_ROLE}:{quote(password)}@{place}"))


def check_schema(owner_url: str) -> dict[str, str]:
    """Return "ok" or what is wrong, for the owner's login, the migrations and pgvector."""
    try:
        missing, extension = find_missing(owner_url), find_extension(owner_url, "vector")
    except psycopg2.OperationalError:
        return {"owner": "MIGRATION_DATABASE_URL: nobody answers there, or the password is another"}
    return {
        "owner": "ok",
        "migrations": f"missing: {', '.join(missing)}; run migrate" if missing else "ok",
        "pgvector": f"ok, {extension}" if extension else "the extension vector is not there; run migrate",
    }
