"""API keys as they are stored, without their hash."""

from datetime import datetime
from typing import Literal

from msgspec import Struct

Scope = Literal["read", "write", "account", "admin"]


class StoredApiKey(Struct, frozen=True, kw_only=True):
    """A row of `api_keys` as its user sees it. `prefix` is the start of the key."""

    id: str
    name: str
    prefix: str
    scopes: list[Scope]
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None


class KnownApiKey(Struct, frozen=True, kw_only=True):
    """A valid key with its account's `role`, `plan` and `disabled_at`, which are None for a user without an account."""

    user_id: str
    id: str
    scopes: list[Scope]
    expires_at: datetime | None
    role: Literal["user", "admin"] | None
    plan: str | None
    disabled_at: datetime | None
