"""Operator's actions on accounts: set administrators, and make links where no mail is sent."""

from collections.abc import Callable
from secrets import token_hex, token_urlsafe
from typing import TYPE_CHECKING

from chalicelib.errors import Conflict, NotFound
from chalicelib.model.accounts.passwords import hash_password
from chalicelib.model.accounts.signed_links import Links
from chalicelib.ops.accounts.proofs import password_link
from chalicelib.stores.accounts import accounts
from chalicelib.stores.accounts.accounts import Admin

if TYPE_CHECKING:
    from chalicelib.stores.postgres.postgres import OperatorsDatabase
    from chalicelib.stores.postgres.tx import Tx

COMMANDS = {
    "first-admin": "make the first administrator, and print a link that sets their password, good for an hour",
    "make-admin": "make an account an administrator's",
    "revoke-admin": "make an administrator's account a user's again",
    "invite": "print a link that makes an account, good for 7 days",
    "reset-link": "print a link that sets an account's password, good for an hour",
    "list-admins": "print all administrators",
}


def run_command(
    command: str, email: str, *, now_s: int, db: "OperatorsDatabase", links: Callable[[], Links]
) -> str:
    """Run one of COMMANDS. Return the text to print. `links` is called only where a link is made."""
    if command == "make-admin":
        make_admin(email, db=db)
        return f"{email} is an administrator"
    if command == "revoke-admin":
        revoke_admin(email, db=db)
        return f"{email} is not an administrator"
    if command == "list-admins":
        return "\n".join(each.email or each.user_id for each in list_admins(db=db)) or "nobody"
    makers = {"first-admin": first_admin, "invite": invitation_link, "reset-link": reset_link}
    return makers[command](email, now_s=now_s, db=db, links=links())


def first_admin(email: str, *, now_s: int, db: "OperatorsDatabase", links: Links) -> str:
    """Make an administrator's account whose password nobody knows. Return the link that sets it.

    Run again before the link was used, it makes another link. Raise Conflict when there is another administrator.
    """
    others = [each.email for each in list_admins(db=db) if (each.email or "").lower() != email.lower()]
    if others:
        raise Conflict("There is an administrator already; use invite and make-admin.")

    def insert(tx: "Tx") -> None:
        if accounts.find_by_email(tx, email) is None:
            unknown = hash_password(token_urlsafe(32))
            accounts.insert(tx, f"u-{token_hex(10)}", email=email, password_hash=unknown, name="")
        accounts.set_role(tx, email, "admin")

    db.transact_as_operator(insert)
    return reset_link(email, now_s=now_s, db=db, links=links)


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
