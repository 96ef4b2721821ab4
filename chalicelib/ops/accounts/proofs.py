"""Accounts by mail: registering, inviting, a new password, a new address. Each is asked for, then proved by a link.

Nobody learns from an answer whether an address has an account: whoever asks, one mail goes to the address, and what
it says differs. So the work, the time and the failures are the same.

There is no account before its address is proved, and its password is chosen by who proves it: nobody takes an address
before its owner, and an owner who follows a stranger's link activates no stranger's password.
"""

from typing import TYPE_CHECKING

from chalicelib.errors import Conflict, Forbidden, InvalidInput
from chalicelib.model.accounts import mails
from chalicelib.model.accounts.accounts import PasswordAccount
from chalicelib.model.accounts.mails import Kind, Mail
from chalicelib.model.accounts.passwords import check_password
from chalicelib.model.accounts.signed_links import Claims, Links, Purpose, link_used_error, state_of
from chalicelib.ops.accounts.accounts import (
    insert_account,
    read_account,
    replace_password,
    require_current_password,
)
from chalicelib.providers import Mailer
from chalicelib.stores.accounts import accounts

if TYPE_CHECKING:
    from chalicelib.stores.accounts.sessions import Sessions
    from chalicelib.stores.postgres.postgres import Database


def ask_for_account(
    email: str, purpose: Purpose, *, now_s: int, db: "Database", links: Links, mailer: Mailer
) -> None:
    """Mail a link that makes an account, "register" or "invite"; who has an account gets one to its password."""
    account = _find(email, db=db)
    if account is None:
        url = links.make(purpose, email=email, now_s=now_s)
        mailer.send(mails.write("invite" if purpose == "invite" else "register", to=email, url=url))
    else:
        mailer.send(_way_in(account, "known", email=email, now_s=now_s, links=links))


def ask_for_password(email: str, *, now_s: int, db: "Database", links: Links, mailer: Mailer) -> None:
    """Mail a link that sets a new password; who has no account is told so, by mail too."""
    account = _find(email, db=db)
    mailer.send(_way_in(account, "reset", email=email, now_s=now_s, links=links))


def ask_for_address(
    user_id: str, email: str, *, password: str, now_s: int, db: "Database", links: Links, mailer: Mailer
) -> None:
    """Mail a link to the new address; it is the account's once that is followed.

    Raise InvalidInput unless `password` is right, NotFound for a user without a password.
    """
    account = require_current_password(user_id, password, db=db)
    if email.lower() == account.email.lower():
        raise InvalidInput("It is your address already.", field="email")
    taken = _find(email, db=db)
    if taken is None:
        state = state_of(account.email, account.password_hash)
        url = links.make("address", email=email, now_s=now_s, user_id=user_id, state=state)
        mailer.send(mails.write("address", to=email, url=url))
    else:
        mailer.send(_way_in(taken, "known", email=email, now_s=now_s, links=links))


def make_account(
    token: str, password: str, *, name: str, registration_open: bool, now_s: int, db: "Database", links: Links
) -> str:
    """Make the account whose address the link proves; return the address.

    Raise Forbidden when registration was closed since, InvalidInput for a link that is not good, or a password.
    """
    claims = links.read(token, "register", "invite", now_s=now_s)
    if claims.purpose == "register" and not registration_open:
        raise Forbidden("Registration is closed.", code="registration_closed")
    check_password(password, email=claims.email)
    try:
        insert_account(claims.email, password, name=name, db=db)
    except Conflict as error:
        raise link_used_error() from error
    return claims.email


def set_password(
    token: str, password: str, *, now_s: int, db: "Database", links: Links, sessions: "Sessions"
) -> str:
    """Set the password by a link and end all sessions; return the account's address. API keys stay."""
    claims = links.read(token, "reset", now_s=now_s)
    account = _proved_account(claims, db=db)
    check_password(password, email=account.email)
    if not replace_password(account, password, but=None, now_s=now_s, db=db, sessions=sessions):
        raise link_used_error()
    return account.email


def confirm_address(token: str, *, now_s: int, db: "Database", links: Links, mailer: Mailer) -> str:
    """Make the address that the link proves the account's; return it.

    The old address is told first: if that fails, nothing has changed and the link is still good.
    """
    claims = links.read(token, "address", now_s=now_s)
    account = _proved_account(claims, db=db)
    user_id, old = account.user_id, account.email
    mailer.send(mails.write("address_changed", to=old, address=claims.email))
    try:
        changed = db.transact(
            user_id, lambda tx: accounts.set_email(tx, user_id, claims.email, old_email=old)
        )
    except Conflict as error:  # the address has got an account since
        raise link_used_error() from error
    if not changed:
        raise link_used_error()
    return claims.email


def _find(email: str, *, db: "Database") -> PasswordAccount | None:
    return db.transact_as_gatekeeper(lambda tx: accounts.find_by_email(tx, email))


def _way_in(account: PasswordAccount | None, kind: Kind, *, email: str, now_s: int, links: Links) -> Mail:
    """Return a mail with a link to a new password, to the address as the account has it, or that there is no way in."""
    if account is None or account.disabled_at is not None:
        return mails.write("unknown", to=email)
    return mails.write(kind, to=account.email, url=password_link(account, now_s=now_s, links=links))


def password_link(account: PasswordAccount, *, now_s: int, links: Links) -> str:
    """Return a link that sets this account's password, once."""
    email, state = account.email, state_of(account.email, account.password_hash)
    return links.make("reset", email=email, now_s=now_s, user_id=account.user_id, state=state)


def _proved_account(claims: Claims, *, db: "Database") -> PasswordAccount:
    """Return the account that a link was made for. Raise InvalidInput when it is not what it was then."""
    found = read_account(claims.user_id, db=db)
    account = found.with_password() if found else None
    if account is None or account.disabled_at is not None:
        raise link_used_error()
    if state_of(account.email, account.password_hash) != claims.state:
        raise link_used_error()
    return account
