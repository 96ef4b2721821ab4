"""Asks an upstream service over HTTP/1.1: one connection a request, nothing followed, everything bounded.

No connection is kept: a Lambda function that has been frozen wakes up with dead ones, and a request that
is sent on one of those may or may not have arrived.
"""

from socket import getaddrinfo
from time import monotonic

from chalicelib.errors import UpstreamFailed, UpstreamTimeout, UpstreamUnreachable
from chalicelib.model.gateway.gateway import Outbound, UpstreamAnswer
from chalicelib.providers.http.client import HttpClient
from chalicelib.providers.http.dial import AddressRules, ExchangeFailed, Origin, Reason, Resolve

# In base64, with 64 KB of headers, within the 6 MB that Lambda answers with.
MAX_BODY_BYTES = 4_400_000


class HttpUpstream:
    """One upstream service; safe to share between threads."""

    def __init__(self, origin: Origin, *, rules: AddressRules, resolve: Resolve = getaddrinfo) -> None:
        self._client = HttpClient(origin, rules=rules, resolve=resolve)

    def send(self, request: Outbound, *, timeout_s: float) -> UpstreamAnswer:
        """Return the answer as it came, its headers unfiltered.

        Raise UpstreamUnreachable when nothing was sent, UpstreamTimeout, UpstreamFailed for what is no answer.
        """
        try:
            with self._client.ask(
                request.method,
                request.target,
                headers=request.headers,
                body=request.body,
                give_up_at=monotonic() + timeout_s,
            ) as answer:
                return UpstreamAnswer(
                    status=answer.status, headers=answer.headers, body=answer.read(MAX_BODY_BYTES)
                )
        except ExchangeFailed as error:
            raise _error_of(error.reason) from error


def _error_of(reason: Reason) -> UpstreamFailed:
    match reason:
        case "unreachable":
            return UpstreamUnreachable("The upstream service cannot be reached.")
        case "connect_timeout":
            return UpstreamTimeout("The upstream service could not be reached in time.")
        case "timeout":
            return UpstreamTimeout("The upstream service did not answer in time.")
        case "address":
            message = "The upstream service's name leads where no upstream may be."
            return UpstreamFailed(message, code="upstream_address")
        case "too_large":
            message = f"The upstream service answered more than {MAX_BODY_BYTES} bytes."
            return UpstreamFailed(message, code="upstream_answer_too_large")
        case "malformed":
            message = "The upstream service answered something that is not HTTP, or broke off."
            return UpstreamFailed(message, code="upstream_bad_answer")
