"""Accounts as they are stored."""

from datetime import datetime
from typing import Literal

from msgspec import Struct


class PasswordAccount(Struct, frozen=True, kw_only=True):
    """The columns of an account with a password that a sign-in needs."""

    __repr__ = object.__repr__  # no password hash in a log
    user_id: str
    email: str
    password_hash: str
    address_changes: int
    disabled_at: datetime | None


class StoredAccount(Struct, frozen=True, kw_only=True):
    """A row of `accounts`. `email` and `password_hash` are both None for a user of an outside issuer."""

    __repr__ = object.__repr__  # no password hash in a log
    user_id: str
    email: str | None
    password_hash: str | None
    address_changes: int
    role: Literal["user", "admin"]
    plan: str
    name: str
    created_at: datetime
    disabled_at: datetime | None

    def with_password(self) -> PasswordAccount | None:
        """Return the account's sign-in columns, None for a user of an outside issuer."""
        if self.email is None or self.password_hash is None:
            return None
        return PasswordAccount(
            user_id=self.user_id,
            email=self.email,
            password_hash=self.password_hash,
            address_changes=self.address_changes,
            disabled_at=self.disabled_at,
        )
