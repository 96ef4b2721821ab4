"""Accounts: who may sign in. The gatekeeper finds and makes them, the operator says who is an administrator; all
else is done as their user."""

from datetime import datetime
from typing import Literal

from msgspec import Struct

from chalicelib.stores.postgres.sql import statements
from chalicelib.stores.postgres.tx import Row, Tx

SQL = statements(__file__)


class Admin(Struct, frozen=True, kw_only=True):
    """An administrator. `email` is None for a user of an outside issuer."""

    user_id: str
    email: str | None
    name: str
    created_at: datetime
    disabled_at: datetime | None


def find_by_email(tx: Tx, email: str) -> Row | None:
    """The account of this address, in whatever case it is written. Gatekeeper's transaction."""
    return tx.one(SQL["find_by_email"], email=email)


def insert(tx: Tx, user_id: str, *, email: str | None, password_hash: str | None, name: str) -> None:
    """Make a user's account, and the user if need be. Gatekeeper's transaction.

    Ends it with a Conflict when the user or the address has an account. The database lets nobody make an
    administrator's so.
    """
    tx.run(SQL["insert_user"], user_id=user_id)
    tx.run(SQL["insert"], user_id=user_id, email=email, password_hash=password_hash, name=name)


def find(tx: Tx, user_id: str) -> Row | None:
    return tx.one(SQL["find"], user_id=user_id)


def set_name(tx: Tx, user_id: str, name: str) -> bool:
    """Whether there is such an account."""
    return tx.run(SQL["set_name"], user_id=user_id, name=name) == 1


def set_password_hash(tx: Tx, user_id: str, password_hash: str, *, old_hash: str) -> bool:
    """Whether the old one was still there to be replaced."""
    values = {"password_hash": password_hash, "old_hash": old_hash}
    return tx.run(SQL["set_password_hash"], user_id=user_id, **values) == 1


def set_email(tx: Tx, user_id: str, email: str, *, old_email: str) -> bool:
    """Return True if the old address was still there to be replaced. Conflict when another account has the new one."""
    return tx.run(SQL["set_email"], user_id=user_id, email=email, old_email=old_email) == 1


def set_role(tx: Tx, email: str, role: Literal["user", "admin"]) -> bool:
    """Return True if there is such an account. Operator's transaction."""
    return tx.run(SQL["set_role"], email=email, role=role) == 1


def list_admins(tx: Tx) -> list[Admin]:
    """Return all administrators, the first made first. Operator's transaction."""
    return [Admin(**row) for row in tx.all(SQL["list_admins"])]
