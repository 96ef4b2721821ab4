"""Sends spans to collectors. Nothing that a collector does costs a request more than TIMEOUT_S, or fails it."""

import logging
import socket
import time
from collections.abc import Callable, Iterable, Mapping, Sequence

from chalicelib.providers.http.client import HttpClient
from chalicelib.providers.http.dial import ExchangeFailed, origin_of
from chalicelib.tracing.otlp import encode_spans
from chalicelib.tracing.spans import Span

log = logging.getLogger("collections.traces")
TIMEOUT_S = 0.2  # of all collectors together
REST_S = 30.0  # no more is sent to a collector for so long after it has failed
_MAX_ANSWER_BYTES = 64 * 1024


class Collector:
    """A server that takes OTLP's JSON at `url`. `with_content`: it gets prompts and answers as well."""

    def __init__(self, *, name: str, url: str, headers: Mapping[str, str], with_content: bool) -> None:
        self.name, self.with_content = name, with_content
        self._client = HttpClient(origin_of(url), keep=True)
        self._headers = tuple({"Content-Type": "application/json", **headers}.items())
        self.rests_until = 0.0

    def send(self, body: bytes, *, give_up_at: float) -> None:
        """Send one request. Raise ExchangeFailed, also for a status that is no success."""
        path = self._client.origin.base_path
        asked = self._client.ask("POST", path, headers=self._headers, body=body, give_up_at=give_up_at)
        with asked as answer:
            answer.read(_MAX_ANSWER_BYTES)
            if not 200 <= answer.status < 300:
                log.warning("traces refused", extra={"collector": self.name, "status": answer.status})
                raise ExchangeFailed("malformed")


class Exporter:
    """The collectors of this process. `resource` says what sends. `clock` is monotonic, in seconds."""

    def __init__(
        self,
        collectors: Iterable[Collector],
        *,
        resource: Mapping[str, str],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._collectors, self._resource, self._clock = tuple(collectors), resource, clock

    def export(self, spans: Sequence[Span], *, timeout_s: float = TIMEOUT_S) -> None:
        """Send the spans to each collector, within one deadline. What a collector does not take is lost."""
        give_up_at = self._clock() + timeout_s
        awake = [each for each in self._collectors if each.rests_until <= self._clock()]
        for place, collector in enumerate(awake):
            left_s = give_up_at - self._clock()
            share_s = left_s / (len(awake) - place)
            body = encode_spans(spans, resource=self._resource, with_content=collector.with_content)
            try:
                collector.send(body, give_up_at=self._clock() + share_s)
            except ExchangeFailed as error:
                collector.rests_until = self._clock() + REST_S
                told = {"collector": collector.name, "reason": error.reason, "spans": len(spans)}
                log.warning("traces not sent", extra=told)


def send_datagrams(datagrams: Iterable[bytes], *, address: str) -> None:
    """Send each to X-Ray's daemon at "host:port". Nothing waits for an answer, and nobody knows whether it came."""
    host, _, port = address.rpartition(":")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.setblocking(False)
        for datagram in datagrams:
            try:
                sock.sendto(datagram, (host, int(port)))
            except (OSError, ValueError) as error:
                log.warning("traces not sent", extra={"collector": "x-ray", "reason": type(error).__name__})
                return
