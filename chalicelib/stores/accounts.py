"""Accounts: who may sign in. The gatekeeper finds and makes them; all else is done as their user."""

from chalicelib.stores.sql import statements
from chalicelib.stores.tx import Row, Tx

SQL = statements(__file__)


def find_by_email(tx: Tx, email: str) -> Row | None:
    """The account of this address, in whatever case it is written. Gatekeeper's transaction."""
    return tx.one(SQL["find_by_email"], email=email)


def insert(
    tx: Tx, user_id: str, *, email: str | None, password_hash: str | None, name: str, may_be_admin: bool
) -> None:
    """Make the account, and the user if need be. Gatekeeper's transaction.

    Ends it with a Conflict when the user or the address has an account. The stage's first account is an
    administrator's if it may be; all others are users'.
    """
    tx.run(SQL["insert_user"], user_id=user_id)
    values = {"email": email, "password_hash": password_hash, "name": name, "may_be_admin": may_be_admin}
    tx.run(SQL["insert"], user_id=user_id, **values)


def find(tx: Tx, user_id: str) -> Row | None:
    return tx.one(SQL["find"], user_id=user_id)


def set_name(tx: Tx, user_id: str, name: str) -> bool:
    """Whether there is such an account."""
    return tx.run(SQL["set_name"], user_id=user_id, name=name) == 1


def set_password_hash(tx: Tx, user_id: str, password_hash: str, *, old_hash: str) -> bool:
    """Whether the old one was still there to be replaced."""
    values = {"password_hash": password_hash, "old_hash": old_hash}
    return tx.run(SQL["set_password_hash"], user_id=user_id, **values) == 1
