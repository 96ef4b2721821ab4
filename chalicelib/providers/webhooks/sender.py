"""Sends deliveries of webhooks to addresses that users have named: public ones only, no redirects, one deadline."""

from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from socket import getaddrinfo
from time import monotonic
from urllib.parse import urlsplit

from chalicelib.errors import Unavailable
from chalicelib.model.webhooks.webhooks import Answer
from chalicelib.providers.http.client import HttpClient
from chalicelib.providers.http.dial import AddressRules, ExchangeFailed, Reason, Resolve, origin_of

REASONS: dict[Reason, str] = {
    "address": "The host's name leads to an address that is not public.",
    "unreachable": "No connection could be made.",
    "connect_timeout": "No connection could be made in time.",
    "timeout": "There was no answer in time.",
    "malformed": "The answer was not HTTP, or was cut off.",
    "too_large": "The answer's head is too large.",
}


class WebhookSender:
    """Posts deliveries. Thread-safe. The answer's body is not read: nobody is to see through us what is there."""

    def __init__(self, rules: AddressRules, *, resolve: Resolve = getaddrinfo) -> None:
        self._rules, self._resolve = rules, resolve

    def send(self, url: str, headers: Mapping[str, str], body: bytes, *, timeout_s: float) -> Answer:
        """Post the body and return what the receiver said. Raise Unavailable when it said nothing."""
        parts = urlsplit(url)
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        try:
            client = HttpClient(origin_of(url), rules=self._rules, resolve=self._resolve)
            with client.ask(
                "POST", target, headers=headers.items(), body=body, give_up_at=monotonic() + timeout_s
            ) as answer:
                return Answer(
                    status=answer.status,
                    retry_after_s=_seconds(answer.header("retry-after"), answer.header("date")),
                )
        except ExchangeFailed as error:
            raise Unavailable(REASONS[error.reason], code=f"webhook_{error.reason}") from error
        except ValueError as error:
            raise Unavailable("The URL cannot be asked.", code="webhook_url") from error


def _seconds(retry_after: str | None, date: str | None) -> float | None:
    """Return the seconds of a Retry-After (RFC 9110 10.2.3): a number, or a date as far as the answer's own date."""
    if retry_after is None:
        return None
    if retry_after.isascii() and retry_after.isdigit():
        return float(retry_after[:9])
    try:
        return max(
            0.0, (parsedate_to_datetime(retry_after) - parsedate_to_datetime(date or "")).total_seconds()
        )
    except (ValueError, TypeError):
        return None
