"""Accounts. The gatekeeper's role finds and makes them, the operator's sets roles, and the user's does the rest."""

from datetime import datetime
from typing import Literal

from msgspec import Struct

from chalicelib.model.accounts.accounts import PasswordAccount, StoredAccount
from chalicelib.stores.accounts import deletions
from chalicelib.stores.postgres.sql import statements
from chalicelib.stores.postgres.tx import Tx

SQL = statements(__file__)


class Admin(Struct, frozen=True, kw_only=True):
    """An administrator. `email` is None for a user of an outside issuer."""

    user_id: str
    email: str | None
    name: str
    created_at: datetime
    disabled_at: datetime | None


def find_by_email(tx: Tx, email: str) -> PasswordAccount | None:
    """Return the account of this address, in any letter case. Gatekeeper's or operator's transaction."""
    return tx.row(PasswordAccount, SQL["find_by_email"], email=email)


def insert(tx: Tx, user_id: str, *, email: str | None, password_hash: str | None, name: str) -> None:
    """Make a user's account, and the user if it is missing. Gatekeeper's transaction.

    The transaction raises Conflict when the user or the address has an account. The database allows this role to make
    plain users only, no administrators.
    """
    deletions.release(tx, user_id)
    tx.run(SQL["insert_user"], user_id=user_id)
    tx.run(SQL["insert"], user_id=user_id, email=email, password_hash=password_hash, name=name)


def find(tx: Tx, user_id: str) -> StoredAccount | None:
    """Return the user's account, None when there is none."""
    return tx.row(StoredAccount, SQL["find"], user_id=user_id)


def set_name(tx: Tx, user_id: str, name: str) -> bool:
    """Change the name; return False when there is no such account."""
    return tx.run(SQL["set_name"], user_id=user_id, name=name) == 1


def set_password_hash(tx: Tx, user_id: str, password_hash: str, *, old_hash: str) -> bool:
    """Replace the old hash. Return False if the account has another one by now."""
    values = {"password_hash": password_hash, "old_hash": old_hash}
    return tx.run(SQL["set_password_hash"], user_id=user_id, **values) == 1


def set_email(tx: Tx, user_id: str, email: str, *, old_email: str) -> bool:
    """Replace the old address. Return False if the account has another one by now.

    Raise Conflict if the new one is taken.
    """
    return tx.run(SQL["set_email"], user_id=user_id, email=email, old_email=old_email) == 1


def set_role(tx: Tx, email: str, role: Literal["user", "admin"]) -> bool:
    """Set the role; return False when there is no such account. Operator's transaction."""
    return tx.run(SQL["set_role"], email=email, role=role) == 1


def list_admins(tx: Tx) -> list[Admin]:
    """Return all administrators, oldest first. Operator's transaction."""
    return tx.rows(Admin, SQL["list_admins"])
