"""Webhooks: what they tell of, where they lead, and their deliveries."""

from datetime import datetime
from ipaddress import ip_address
from typing import Any, Literal
from urllib.parse import urlsplit

from msgspec import Struct

from chalicelib.errors import InvalidInput
from chalicelib.model.gateway.addresses import may_connect

Event = Literal[
    "item.ready",
    "item.failed",
    "document.ready",
    "document.failed",
    "run.succeeded",
    "run.failed",
    "run.cancelled",
]
TEST_EVENT = "webhook.test"
DeliveryState = Literal["pending", "delivered", "failed"]


class StoredWebhook(Struct, frozen=True, kw_only=True):
    """A webhook without its secrets."""

    id: str
    url: str
    description: str
    events: list[Event]
    enabled: bool
    disabled_reason: str | None
    created_at: datetime
    updated_at: datetime


class StoredDelivery(Struct, frozen=True, kw_only=True):
    """An event on its way to a webhook.

    `attempts`, `status` (the receiver's HTTP status), `error` and `took_ms` are those of the attempts so far.
    `next_attempt_at` is None unless it is pending.
    """

    id: str
    webhook_id: str
    event: str
    data: Any
    state: DeliveryState
    attempts: int
    status: int | None
    error: str | None
    took_ms: int | None
    created_at: datetime
    attempted_at: datetime | None
    next_attempt_at: datetime | None
    finished_at: datetime | None


class DeliveryFilters(Struct, frozen=True, kw_only=True):
    """Conditions on deliveries, on when they were made for example; None sets no condition."""

    state: DeliveryState | None = None
    event: str | None = None
    since: datetime | None = None
    until: datetime | None = None


class Due(Struct, frozen=True, kw_only=True):
    """A delivery that is due. `secrets` are those that are valid now, the newest first."""

    id: str
    webhook_id: str
    event: str
    data: Any
    created_at: datetime
    retried_from: datetime
    url: str
    enabled: bool
    secrets: list[str]


class Answer(Struct, frozen=True, kw_only=True):
    """The receiver's response to a delivery. `retry_after_s` is None if it named no time."""

    status: int
    retry_after_s: float | None


def check_url(url: str, *, is_local: bool) -> None:
    """Raise InvalidInput unless a webhook may lead there: https, no password in it, no address that is not public.

    A name is resolved, and its addresses are checked, at each delivery. `is_local`: on a developer's machine http and
    the machine's own addresses are allowed as well.
    """
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        raise _refused("must be a URL.") from None
    if parts.scheme != "https" and not (is_local and parts.scheme == "http"):
        raise _refused("must begin with https://.")
    if not host or parts.username is not None or parts.password is not None:
        raise _refused("must name a host, and no user or password.")
    if parts.fragment or not url.isascii() or any(not "!" <= character <= "~" for character in url):
        raise _refused(
            "must have no fragment, and only ASCII characters without spaces: encode others as %XX."
        )
    if _is_address(host) and not may_connect(host, allow_loopback=is_local):
        raise _refused("must not lead to a private or reserved address.")


def _refused(reason: str) -> InvalidInput:
    return InvalidInput(f"url {reason}", field="url")


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True
