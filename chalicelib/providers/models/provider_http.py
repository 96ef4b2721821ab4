"""Sends JSON over HTTP to a provider: one connection per thread, bounded responses, translated errors.

This is the one place where a provider's failures become errors of the app. An error that may pass at once is marked
`at_once`; attempts.py asks again. Error messages have nothing that the provider wrote except its error code, so that no
key can leak through them.
"""

import json
import re
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from msgspec import Struct

from chalicelib.errors import CollectionsError, InvalidInput, Misconfigured, Throttled, Unavailable
from chalicelib.providers.http.client import HttpClient
from chalicelib.providers.http.dial import ExchangeFailed, origin_of
from chalicelib.tracing import spans

_MAX_RETRY_AFTER_S = 3600.0
_MAX_ERROR_BYTES = 64 * 1024
_MAX_TOKENS = 10**9
_OURS = (401, 402, 403, 404, 405)  # our key, our account, our model's name
_ASKED_WRONGLY = (400, 413, 415, 422)
_MISCONFIGURED_CODES = {"insufficient_quota", "invalid_api_key", "model_not_found"}
_THROTTLING_CODES = {"servicequotaexceededexception", "throttlingexception"}
# Signs a request: takes its URL and its body, returns the headers that carry the signature.
Sign = Callable[[str, bytes], Mapping[str, str]]


class Answer(Struct, frozen=True, kw_only=True):
    """An answer with status 200: its parsed body, and its headers by their lower-case names."""

    body: Any
    headers: Mapping[str, str]


class JsonApi:
    """A provider's HTTP API. `name` stands in error messages. Thread-safe. `on_key_refused` is called for each 401."""

    def __init__(
        self,
        *,
        name: str,
        base_url: str,
        api_key: str | None,
        max_answer_bytes: int,
        headers: Mapping[str, str] | None = None,
        sign: Sign | None = None,
        on_key_refused: Callable[[], None] = lambda: None,
    ) -> None:
        try:
            if "?" in base_url:
                raise ValueError("a query")
            origin = origin_of(base_url)
        except ValueError:
            raise Misconfigured(f"The base URL of {name} must be http(s)://host[:port][/path].") from None
        self._name = name
        self._on_key_refused = on_key_refused
        self._client = HttpClient(origin, keep=True)
        self._headers = {
            "Content-Type": "application/json",
            "Accept": "application/json",
            "Accept-Encoding": "identity",
        }
        if api_key:
            self._headers["Authorization"] = f"Bearer {api_key}"
        self._headers |= headers or {}
        if not all(re.fullmatch(r"[\x20-\x7e]+", value) for value in self._headers.values()):
            raise Misconfigured(f"{name} has a key with characters that no header can have.")
        self._sign = sign
        self._max_answer_bytes = max_answer_bytes

    def post(self, path: str, payload: Mapping[str, Any], *, timeout_s: float) -> Answer:
        """Send the payload and return the answer.

        Raise Unavailable, Throttled or Misconfigured, and InvalidInput for the statuses 400, 413, 415 and 422.
        """
        status, headers, body = self._exchange(path, json.dumps(payload).encode(), timeout_s)
        if status == 401:
            self._on_key_refused()
        if status != 200:
            raise self._refusal(status, headers, body)
        try:
            return Answer(body=json.loads(body), headers=headers)
        except (ValueError, RecursionError):
            raise self._broken("something that is not JSON") from None

    def unusable(self, why: str) -> Unavailable:
        """Return the error for JSON of another form than is documented."""
        return Unavailable(f"{self._name} answered {why}.", code="unusable_answer")

    def _exchange(self, path: str, body: bytes, timeout_s: float) -> tuple[int, dict[str, str], bytes]:
        """Return status, headers and body."""
        limit, origin = self._max_answer_bytes, self._client.origin
        target = origin.base_path + path
        url = f"{origin.scheme}://{origin.authority}{target}"
        traceparent = spans.traceparent()
        trace = {"traceparent": traceparent} if traceparent else {}
        try:
            with self._client.ask(
                "POST",
                target,
                headers=(self._headers | trace | dict(self._sign(url, body) if self._sign else {})).items(),
                body=body,
                give_up_at=time.monotonic() + timeout_s,
            ) as answer:
                limit = limit if answer.status == 200 else _MAX_ERROR_BYTES
                headers = {name.lower(): value for name, value in answer.headers}
                return answer.status, headers, answer.read(limit)
        except ExchangeFailed as error:
            raise self._failure(error, limit) from None

    def _failure(self, error: ExchangeFailed, limit: int) -> Unavailable:
        match error.reason:
            case "timeout" | "connect_timeout":
                return _passing(Unavailable(f"{self._name} did not answer in time.", code="provider_timeout"))
            case "too_large":
                return self.unusable(f"more than {limit} bytes")
            case "malformed":
                return self._broken("something that is not HTTP, or broke off")
            case "unreachable" | "address":
                cause = type(error.__cause__).__name__
                return _passing(Unavailable(f"{self._name} cannot be reached ({cause})."))

    def _broken(self, why: str) -> Unavailable:
        return _passing(Unavailable(f"{self._name} answered {why}.", code="broken_answer"))

    def _refusal(self, status: int, headers: Mapping[str, str], body: bytes) -> CollectionsError:
        code = _error_code(headers, body)
        said = f"{self._name} answered {status}" + (f" ({code})." if code else ".")
        if status in _OURS or status < 400 or code in _MISCONFIGURED_CODES:
            return Misconfigured(said)
        retry_after_s = _retry_after_s(headers.get("retry-after"))
        if status == 429 or code in _THROTTLING_CODES:
            error: Unavailable = Throttled(said, retry_after_s=retry_after_s)
        elif status in _ASKED_WRONGLY:
            return InvalidInput(said, code=code)
        else:
            error = Unavailable(said)
            error.retry_after_s = retry_after_s
        # Anthropic's and OpenAI's servers say so when it is of no use; their own clients mind it.
        return error if headers.get("x-should-retry") == "false" else _passing(error)


def token_count(*given: Any) -> int:
    """Return the sum of the reported token counts, clamped to 0.._MAX_TOKENS. Raise ValueError for no number."""
    try:
        return min(max(sum(int(each or 0) for each in given), 0), _MAX_TOKENS)
    except (TypeError, ValueError, OverflowError):
        raise ValueError("something that is no number of tokens") from None


def _passing(error: Unavailable) -> Unavailable:
    error.at_once = True
    return error


def _error_code(headers: Mapping[str, str], body: bytes) -> str | None:
    """Return the machine-readable code of an error in OpenAI's, Anthropic's or AWS' form, if it is a plain word."""
    code: Any = headers.get("x-amzn-errortype", "").partition(":")[0].lower()
    if not code:
        try:
            error = json.loads(body)["error"]
            code = error.get("code") or error.get("type")
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
            return None
    return code if isinstance(code, str) and re.fullmatch(r"[a-z][a-z_]{0,63}", code) else None


def _retry_after_s(header: str | None) -> float | None:
    """Return the seconds of a Retry-After header (RFC 9110 10.2.3), at most an hour; None without a valid one."""
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
