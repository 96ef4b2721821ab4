"""Accounts by mail: registering, inviting, a new password, a new address. Each is asked for, then proved by a link.

No response tells whether an address has an account. In both cases one mail goes to the address, and only its text
differs. So the work, the time and the failures are the same.

An account is made when its address is proved, and the person who proves it chooses the password. So nobody can take an
address before its owner does, and an owner who follows a stranger's link does not activate a stranger's password.
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
    """Mail a link that makes an account, to register or as an invitation.

    If there is an account, mail a password link.
    """
    account = _find(email, db=db)
    if account is None:
        url = links.make(purpose, email=email, now_s=now_s)
        mailer.send(mails.write("invite" if purpose == "invite" else "register", to=email, url=url))
    else:
        mailer.send(_way_in(account, "known", email=email, now_s=now_s, links=links))


def ask_for_password(email: str, *, now_s: int, db: "Database", links: Links, mailer: Mailer) -> None:
    """Mail a link that sets a new password. If there is no account, the mail says so."""
    account = _find(email, db=db)
    mailer.send(_way_in(account, "reset", email=email, now_s=now_s, links=links))


def ask_for_address(
    user_id: str, email: str, *, password: str, now_s: int, db: "Database", links: Links, mailer: Mailer
) -> None:
    """Mail a link to the new address. The address becomes the account's when the link is followed.

    Raise InvalidInput unless `password` is right, NotFound for a user without a password.
    """
    account = require_current_password(user_id, password, db=db)
    if email.lower() == account.email.lower():
        raise InvalidInput("email is your address already; give another one.", field="email")
    taken = _find(email, db=db)
    if taken is None:
        url = links.make("address", email=email, now_s=now_s, user_id=user_id, state=state_of(account))
        mailer.send(mails.write("address", to=email, url=url))
    else:
        mailer.send(_way_in(taken, "known", email=email, now_s=now_s, links=links))


def make_account(
    token: str, password: str, *, name: str, registration_open: bool, now_s: int, db: "Database", links: Links
) -> str:
    """Make the account whose address the link proves; return the address.

    Raise Forbidden if registration was closed meanwhile, InvalidInput for a link or a password that is not accepted.
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
    """Replace the account's address by the one that the link proves; return it.

    The old address gets a mail first. If that fails, nothing has changed and the link stays valid.
    """
    claims = links.read(token, "address", now_s=now_s)
    account = _proved_account(claims, db=db)
    user_id, old = account.user_id, account.email
    mailer.send(mails.write("address_changed", to=old, address=claims.email))
    try:
        changed = db.transact(
            user_id, lambda tx: accounts.set_email(tx, user_id, claims.email, old_email=old)
        )
    except Conflict as error:  # the address has an account by now
        raise link_used_error() from error
    if not changed:
        raise link_used_error()
    return claims.email


def _find(email: str, *, db: "Database") -> PasswordAccount | None:
    return db.transact_as_gatekeeper(lambda tx: accounts.find_by_email(tx, email))


def _way_in(account: PasswordAccount | None, kind: Kind, *, email: str, now_s: int, links: Links) -> Mail:
    """Return a mail with a link that sets a new password, or one that says that there is no account to sign in to."""
    if account is None or account.disabled_at is not None:
        return mails.write("unknown", to=email)
    return mails.write(kind, to=account.email, url=password_link(account, now_s=now_s, links=links))


def password_link(account: PasswordAccount, *, now_s: int, links: Links) -> str:
    """Return a link that sets this account's password, once."""
    state = state_of(account)
    return links.make("reset", email=account.email, now_s=now_s, user_id=account.user_id, state=state)


def _proved_account(claims: Claims, *, db: "Database") -> PasswordAccount:
    """Return the account that a link was made for. Raise InvalidInput if the account has changed since."""
    found = read_account(claims.user_id, db=db)
    account = found.with_password() if found else None
    if account is None or account.disabled_at is not None:
        raise link_used_error()
    if state_of(account) != claims.state:
        raise link_used_error()
    return account
