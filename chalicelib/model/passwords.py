"""Passwords: which are taken, and how they are kept, by argon2id."""

from functools import cache
from typing import TYPE_CHECKING

from chalicelib.errors import InvalidInput

if TYPE_CHECKING:
    from argon2 import PasswordHasher

MIN_CHARS = 10
MAX_BYTES = 1024
# Of a random password nobody knows, under today's parameters: what an address without a password is checked against.
NOBODYS_HASH = (
    "$argon2id$v=19$m=19456,t=2,p=1$0OpIZvBCWL9neAj0YFVCzA$QurKnCBi7qU1jDJkG3hdYMFKTp21kaU8+dty67y2xRM"
)


@cache
def _hasher() -> "PasswordHasher":
    from argon2 import PasswordHasher

    # OWASP Password Storage Cheat Sheet, Argon2id: m=19456 (19 MiB), t=2, p=1.
    return PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1)


def check_password(password: str, *, email: str | None) -> None:
    """Raises InvalidInput for one that is not taken."""
    if len(password) < MIN_CHARS:
        raise InvalidInput(f"It must have at least {MIN_CHARS} characters.", field="password")
    if len(password.encode()) > MAX_BYTES:
        raise InvalidInput(f"It must have at most {MAX_BYTES} bytes.", field="password")
    if email and password.casefold() == email.casefold():
        raise InvalidInput("It must not be the address.", field="password")


def hash_password(password: str) -> str:
    return _hasher().hash(password)


def matches(password_hash: str | None, password: str) -> bool:
    """Whether it is this password; without a hash it is none, and finding that out costs the same."""
    from argon2.exceptions import VerifyMismatchError

    try:
        _hasher().verify(password_hash or NOBODYS_HASH, password)
    except VerifyMismatchError:
        return False
    return password_hash is not None


def is_outdated(password_hash: str) -> bool:
    """Whether it was made under other parameters than today's."""
    return _hasher().check_needs_rehash(password_hash)
