"""Passwords: their rules, their normal form (RFC 8265) and their hash, argon2id."""

from functools import cache
from typing import TYPE_CHECKING

from chalicelib.errors import InvalidInput

if TYPE_CHECKING:
    from argon2 import PasswordHasher
    from precis_i18n.profile import Profile

MIN_CHARS = 10
MAX_BYTES = 1024
MAX_TYPED_CHARS = 4 * MAX_BYTES  # NFC makes one character of up to four
# The hash of a random password under today's parameters. Logins to an unknown address are checked against it.
NOBODYS_HASH = (
    "$argon2id$v=19$m=19456,t=2,p=1$0OpIZvBCWL9neAj0YFVCzA$QurKnCBi7qU1jDJkG3hdYMFKTp21kaU8+dty67y2xRM"
)


@cache
def _hasher() -> "PasswordHasher":
    from argon2 import PasswordHasher

    # OWASP Password Storage Cheat Sheet, Argon2id: m=19456 (19 MiB), t=2, p=1.
    return PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1)


@cache
def _profile() -> "Profile":
    from precis_i18n import get_profile

    return get_profile("OpaqueString")


def check_password(password: str, *, email: str | None) -> None:
    """Raise InvalidInput for a password that breaks a rule. Its length is counted after normalisation."""
    try:
        normalized = _profile().enforce(password)
    except UnicodeEncodeError as error:
        raise InvalidInput(_refusal(error), field="password") from None  # the error holds the password
    if len(normalized) < MIN_CHARS:
        raise InvalidInput(f"It must have at least {MIN_CHARS} characters.", field="password")
    if len(normalized.encode()) > MAX_BYTES:
        raise InvalidInput(f"It must have at most {MAX_BYTES} bytes.", field="password")
    if email and normalized.casefold() == email.casefold():
        raise InvalidInput("It must not be the address.", field="password")


def hash_password(password: str) -> str:
    return _hasher().hash(_normalized(password))


def matches(password_hash: str | None, password: str) -> bool:
    """Return True if it is this password, normalised or as it was typed: earlier hashes are of that.

    Without a hash return False, at the same cost.
    """
    right = [_verifies(password_hash or NOBODYS_HASH, each) for each in {_normalized(password), password}]
    return any(right) and password_hash is not None


def is_outdated(password_hash: str, password: str) -> bool:
    """Return True if a hash of this password was made under other parameters, or before it was normalised."""
    normalized = _normalized(password)
    return _hasher().check_needs_rehash(password_hash) or (
        normalized != password and not _verifies(password_hash, normalized)
    )


def _normalized(password: str) -> str:
    """Return the password under RFC 8265 4.2, OpaqueString: other spaces become U+0020, then NFC.

    One that the profile refuses stays as it is: it may have been set before there was a profile.
    """
    try:
        return _profile().enforce(password)
    except UnicodeEncodeError:
        return password


def _refusal(error: UnicodeEncodeError) -> str:
    if not error.object:
        return f"It must have at least {MIN_CHARS} characters."
    return f"It must not have the character U+{ord(error.object[error.start]):04X} (RFC 8265)."


def _verifies(password_hash: str, password: str) -> bool:
    from argon2.exceptions import VerifyMismatchError

    try:
        return _hasher().verify(password_hash, password)
    except VerifyMismatchError:
        return False
