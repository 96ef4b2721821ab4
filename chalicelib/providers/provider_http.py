"""JSON over HTTP to a provider: one kept connection a thread, bounded answers, errors translated.

No retries: whether and when to ask again is the pipeline's decision. No error message carries
anything the provider wrote except its plain error code, so that no key can leak through one.
"""

import json
import re
import threading
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from typing import Any
from urllib.parse import urlsplit

from chalicelib.errors import CollectionsError, InvalidInput, Misconfigured, Throttled, Unavailable

_MAX_RETRY_AFTER_S = 3600.0
_MAX_ERROR_BYTES = 64 * 1024
_MAX_TOKENS = 10**9
_MISCONFIGURED_CODES = {"insufficient_quota", "invalid_api_key", "model_not_found"}


class JsonApi:
    """A provider's HTTP API. `name` is what error messages call it; safe to share between threads."""

    def __init__(
        self,
        *,
        name: str,
        base_url: str,
        api_key: str | None,
        max_answer_bytes: int,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        parts = urlsplit(base_url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.username or parts.query:
            raise Misconfigured(f"The base URL of {name} must be http(s)://host[:port][/path].")
        self._name = name
        self._is_tls, self._host, self._port = parts.scheme == "https", parts.hostname, parts.port
        self._prefix = parts.path.rstrip("/")
        self._headers = {"Content-Type": "application/json", "Accept": "application/json"}
        if api_key:
            self._headers["Authorization"] = f"Bearer {api_key}"
        self._headers |= headers or {}
        if not all(re.fullmatch(r"[\x20-\x7e]+", value) for value in self._headers.values()):
            raise Misconfigured(f"{name} has a key with characters that no header can have.")
        self._max_answer_bytes = max_answer_bytes
        self._local = threading.local()

    def post(self, path: str, payload: Mapping[str, Any], *, timeout_s: float) -> Any:
        """The parsed answer.

        Unavailable, Throttled or Misconfigured; InvalidInput for the provider's 400, 413, 415, 422.
        """
        deadline = time.monotonic() + timeout_s
        body = json.dumps(payload).encode()
        try:
            response = self._send(self._prefix + path, body, deadline)
            limit = self._max_answer_bytes if response.status == 200 else _MAX_ERROR_BYTES
            answer = self._read(response, limit, deadline)
        except (OSError, HTTPException) as error:
            self._close()
            reason = "did not answer in time" if isinstance(error, TimeoutError) else "cannot be reached"
            raise Unavailable(f"{self._name} {reason} ({type(error).__name__}).") from None
        except Unavailable:
            self._close()
            raise
        if response.status != 200:
            raise self._refusal(response, answer)
        try:
            return json.loads(answer)
        except (ValueError, RecursionError):
            raise Unavailable(f"{self._name} answered something that is not JSON.") from None

    def unusable(self, why: str) -> Unavailable:
        """The error for an answer of the right form with the wrong content."""
        return Unavailable(f"{self._name} answered {why}.")

    def _send(self, path: str, body: bytes, deadline: float) -> HTTPResponse:
        """Sends on the kept connection; on a new one when the server has closed the kept one meanwhile."""
        connection: HTTPConnection | None = getattr(self._local, "connection", None)
        if connection is not None:
            try:
                return self._exchange(connection, path, body, deadline)
            except ConnectionError:
                self._close()
        kind = HTTPSConnection if self._is_tls else HTTPConnection
        self._local.connection = connection = kind(self._host, self._port, timeout=_left(deadline))
        return self._exchange(connection, path, body, deadline)

    def _exchange(self, connection: HTTPConnection, path: str, body: bytes, deadline: float) -> HTTPResponse:
        if connection.sock is not None:
            connection.sock.settimeout(_left(deadline))
        connection.request("POST", path, body, self._headers)
        self._local.sock = connection.sock  # which the connection lets go of when the answer is its last
        return connection.getresponse()

    def _read(self, response: HTTPResponse, limit: int, deadline: float) -> bytes:
        parts, size = list[bytes](), 0
        while part := response.read1(64 * 1024):
            parts.append(part)
            size += len(part)
            if size > limit:
                raise Unavailable(f"{self._name} answered more than {limit} bytes.")
            left_s, sock = _left(deadline), self._local.sock
            if sock.fileno() >= 0:  # else all has been read
                sock.settimeout(left_s)
        response.close()  # read1 never says that it is at the end; the connection stays
        return b"".join(parts)

    def _refusal(self, response: HTTPResponse, answer: bytes) -> CollectionsError:
        status, code = response.status, _error_code(answer)
        said = f"{self._name} answered {status}" + (f" ({code})." if code else ".")
        if status in (401, 402, 403, 404, 405) or status < 400 or code in _MISCONFIGURED_CODES:
            return Misconfigured(said)
        retry_after_s = _retry_after_s(response.getheader("Retry-After"))
        if status == 429:
            return Throttled(said, retry_after_s=retry_after_s)
        if status in (400, 413, 415, 422):
            return InvalidInput(said, code=code)
        unavailable = Unavailable(said)
        unavailable.retry_after_s = retry_after_s
        return unavailable

    def _close(self) -> None:
        connection: HTTPConnection | None = getattr(self._local, "connection", None)
        if connection is not None:
            connection.close()
            self._local.connection = None


def token_count(*given: Any) -> int:
    """Of what a provider says it counted, the sum: no less than none, no more than can be kept. Raises ValueError."""
    try:
        return min(max(sum(int(each or 0) for each in given), 0), _MAX_TOKENS)
    except (TypeError, OverflowError) as error:
        raise ValueError("This is no number of tokens.") from error


def _left(deadline: float) -> float:
    left_s = deadline - time.monotonic()
    if left_s <= 0:
        raise TimeoutError
    return left_s


def _error_code(answer: bytes) -> str | None:
    """The machine-readable code in OpenAI's form of an error, if it is a plain word."""
    try:
        code = json.loads(answer)["error"]["code"]
    except (ValueError, TypeError, KeyError):
        return None
    return code if isinstance(code, str) and re.fullmatch(r"[a-z][a-z_]{0,63}", code) else None


def _retry_after_s(header: str | None) -> float | None:
    """RFC 9110 10.2.3: seconds or an HTTP date; at most an hour."""
    if header is None:
        return None
    try:
        wait_s = float(header) if header.strip().isdigit() else _seconds_until(header)
    except ValueError:
        return None
    return min(max(wait_s, 0.0), _MAX_RETRY_AFTER_S)


def _seconds_until(http_date: str) -> float:
    moment = parsedate_to_datetime(http_date)
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return (moment - datetime.now(UTC)).total_seconds()
