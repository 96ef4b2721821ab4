"""Sessions: a sign-in of one device, until it is ended or not refreshed for 30 days."""

from msgspec import Struct

SESSION_S = 30 * 24 * 3600
MAX_USER_AGENT_CHARS = 400


class Device(Struct, frozen=True, kw_only=True):
    """The device that signs in. `user_agent` is the client's own word, `address` is from API Gateway."""

    user_agent: str
    address: str


class Session(Struct, frozen=True, kw_only=True):
    """Times are seconds since 1970."""

    user_id: str
    id: str
    refresh_sha256: str
    created_at: int
    last_used_at: int
    expires_at: int
    user_agent: str
    address: str
