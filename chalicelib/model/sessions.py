"""What a session is: one sign-in of one device, until it is ended or not refreshed for 30 days."""

from dataclasses import dataclass

SESSION_S = 30 * 24 * 3600
MAX_USER_AGENT_CHARS = 400


@dataclass(frozen=True, kw_only=True, slots=True)
class Device:
    """What is known of who signs in: told by the client, and the address API Gateway saw."""

    user_agent: str
    address: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Session:
    """`role` and `plan` are the account's as of the latest refresh. Times are seconds since 1970."""

    user_id: str
    id: str
    refresh_sha256: str
    role: str
    plan: str
    created_at: int
    last_used_at: int
    expires_at: int
    user_agent: str
    address: str
