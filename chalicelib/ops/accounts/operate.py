"""Operator's actions on accounts: set administrators, and make links where no mail is sent."""

from typing import TYPE_CHECKING

from chalicelib.errors import Conflict, NotFound
from chalicelib.model.accounts.signed_links import Links
from chalicelib.ops.accounts.proofs import password_link
from chalicelib.stores.accounts import accounts
from chalicelib.stores.accounts.accounts import Admin

if TYPE_CHECKING:
    from chalicelib.stores.postgres.postgres import OperatorsDatabase


def make_admin(email: str, *, db: "OperatorsDatabase") -> None:
    """Make the account an administrator's, from its next request on. Raise NotFound without an account."""
    if not db.transact_as_operator(lambda tx: accounts.set_role(tx, email, "admin")):
        raise _no_account(email)


def revoke_admin(email: str, *, db: "OperatorsDatabase") -> None:
    """Make the account a user's, from its next request on. Raise NotFound without an account."""
    if not db.transact_as_operator(lambda tx: accounts.set_role(tx, email, "user")):
        raise _no_account(email)


def list_admins(*, db: "OperatorsDatabase") -> list[Admin]:
    """Return all administrators, oldest first."""
    return db.transact_as_operator(accounts.list_admins)


def invitation_link(email: str, *, now_s: int, db: "OperatorsDatabase", links: Links) -> str:
    """Return a link that makes an account with this address. Raise Conflict when there is one."""
    if db.transact_as_operator(lambda tx: accounts.find_by_email(tx, email)):
        raise Conflict(f"{email} has an account already.")
    return links.make("invite", email=email, now_s=now_s)


def reset_link(email: str, *, now_s: int, db: "OperatorsDatabase", links: Links) -> str:
    """Return a link that sets the account's password, once.

    Raise NotFound without an account, Conflict if it is disabled.
    """
    account = db.transact_as_operator(lambda tx: accounts.find_by_email(tx, email))
    if account is None:
        raise _no_account(email)
    if account.disabled_at is not None:
        raise Conflict(f"The account of {email} is disabled.")
    return password_link(account, now_s=now_s, links=links)


def _no_account(email: str) -> NotFound:
    return NotFound(f"{email} has no account.")
