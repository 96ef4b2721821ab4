"""Accounts: register, read and change them. A user of an outside issuer gets one with the first request."""

import secrets
from contextlib import suppress
from typing import TYPE_CHECKING

from chalicelib.errors import Conflict, InvalidInput, NotFound, Unauthenticated
from chalicelib.model.accounts.accounts import PasswordAccount, StoredAccount
from chalicelib.model.accounts.passwords import check_password, hash_password, matches
from chalicelib.ops.accounts.sessions import end_all
from chalicelib.stores.accounts import accounts

if TYPE_CHECKING:
    from chalicelib.stores.accounts.sessions import Sessions
    from chalicelib.stores.postgres.postgres import Database


def register(email: str, password: str, *, name: str, db: "Database") -> None:
    """Make an account without a proof, unless the address has one. The caller cannot tell which.

    Both cases cost one password hash and the same statements.
    """
    check_password(password, email=email)
    with suppress(Conflict):
        insert_account(email, password, name=name, db=db)


def insert_account(email: str, password: str, *, name: str, db: "Database") -> None:
    """Make an account. Raise Conflict when the address has one.

    The user's id is random: it stands in object keys, links and logs, where no address may be.
    """
    user_id, password_hash = f"u-{secrets.token_hex(10)}", hash_password(password)
    try:
        db.transact_as_gatekeeper(
            lambda tx: accounts.insert(tx, user_id, email=email, password_hash=password_hash, name=name)
        )
    except Conflict:
        found = db.transact_as_gatekeeper(lambda tx: accounts.find_by_email(tx, email))
        # Our own account means that this is a retry: the acknowledgement of the first commit was lost.
        if found is None or found.user_id != user_id:
            raise


def read_account(user_id: str, *, db: "Database") -> StoredAccount | None:
    """Return the account, None for a user without one, such as the anonymous user."""
    return db.read(user_id, lambda tx: accounts.find(tx, user_id))


def find_external(user_id: str, *, name: str, db: "Database") -> StoredAccount:
    """Return the account of an outside issuer's user; make it if it is missing.

    Raise Unauthenticated if it is disabled.
    """
    found = read_account(user_id, db=db)
    if found is None:
        # Another request of the same user was faster, or the account is being deleted.
        with suppress(Conflict, NotFound):
            db.transact_as_gatekeeper(
                lambda tx: accounts.insert(tx, user_id, email=None, password_hash=None, name=name)
            )
        found = read_account(user_id, db=db)
    if found is None or found.disabled_at is not None:
        raise Unauthenticated("This account is disabled.", code="account_disabled")
    return found


def rename(user_id: str, name: str, *, db: "Database") -> None:
    """Change the name. Raise NotFound for a user without an account."""
    if not db.transact(user_id, lambda tx: accounts.set_name(tx, user_id, name)):
        raise NotFound("This user has no account.", code="no_account")


def change_password(
    user_id: str,
    *,
    current: str,
    new: str,
    session_id: str | None,
    now_s: int,
    db: "Database",
    sessions: "Sessions",
) -> None:
    """Set the password and end all other sessions. Raise InvalidInput unless `current` is right."""
    account = require_current_password(user_id, current, db=db)
    check_password(new, email=account.email)
    if not replace_password(account, new, but=session_id, now_s=now_s, db=db, sessions=sessions):
        raise Conflict("The password was changed just now.")


def require_current_password(user_id: str, password: str, *, db: "Database") -> PasswordAccount:
    """Return the user's account.

    Raise InvalidInput unless the password is right, NotFound for a user without a password.
    """
    found = read_account(user_id, db=db)
    account = found.with_password() if found else None
    if account is None:
        raise NotFound("This user has no password here.", code="no_password")
    if not matches(account.password_hash, password):
        raise InvalidInput("current_password is wrong.", field="current_password", code="wrong_password")
    return account


def replace_password(
    account: PasswordAccount, new: str, *, but: str | None, now_s: int, db: "Database", sessions: "Sessions"
) -> bool:
    """Set the password and end all sessions but that one. Return False if it was changed meanwhile.

    Sessions are ended before and after. While DynamoDB is away the first step fails, nothing changes, and the user can
    try again.
    """
    user_id, old_hash, new_hash = account.user_id, account.password_hash, hash_password(new)
    end_all(user_id, but=but, now_s=now_s, sessions=sessions)
    if not db.transact(
        user_id, lambda tx: accounts.set_password_hash(tx, user_id, new_hash, old_hash=old_hash)
    ):
        return False
    end_all(user_id, but=but, now_s=now_s, sessions=sessions)
    return True
