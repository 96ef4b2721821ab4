"""Sends requests to an upstream service over HTTP/1.1: one connection per request, no redirects, all sizes bounded.

Connections are not reused. A Lambda function that was frozen has dead ones, and it is unknown whether a request that is
sent on a dead connection has arrived.
"""

from socket import getaddrinfo
from time import monotonic

from chalicelib.errors import UpstreamFailed, UpstreamTimeout, UpstreamUnreachable
from chalicelib.model.gateway.gateway import Outbound, UpstreamAnswer
from chalicelib.providers.http.client import HttpClient
from chalicelib.providers.http.dial import AddressRules, ExchangeFailed, Origin, Reason, Resolve

# In base64 and with 64 KB of headers, a response stays within Lambda's 6 MB.
MAX_BODY_BYTES = 4_400_000


class HttpUpstream:
    """An upstream service. Thread-safe."""

    def __init__(self, origin: Origin, *, rules: AddressRules, resolve: Resolve = getaddrinfo) -> None:
        self._client = HttpClient(origin, rules=rules, resolve=resolve)

    def send(self, request: Outbound, *, timeout_s: float) -> UpstreamAnswer:
        """Return the response with its headers unfiltered.

        Raise UpstreamUnreachable if nothing was sent, UpstreamTimeout, and UpstreamFailed for an unusable response.
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
            message = "The upstream service's name resolves to an address that is not allowed."
            return UpstreamFailed(message, code="upstream_address")
        case "too_large":
            message = f"The upstream service's response has more than {MAX_BODY_BYTES} bytes."
            return UpstreamFailed(message, code="upstream_answer_too_large")
        case "malformed":
            message = "The upstream service's response is not HTTP, or was cut off."
            return UpstreamFailed(message, code="upstream_bad_answer")
