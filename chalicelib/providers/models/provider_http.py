"""JSON over HTTP to a provider: one kept connection a thread, bounded answers, errors translated.

No retries: whether and when to ask again is the pipeline's decision. No error message carries
anything the provider wrote except its plain error code, so that no key can leak through one.
"""

import json
import re
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from chalicelib.errors import CollectionsError, InvalidInput, Misconfigured, Throttled, Unavailable
from chalicelib.providers.http.client import HttpClient
from chalicelib.providers.http.dial import ExchangeFailed, origin_of

_MAX_RETRY_AFTER_S = 3600.0
_MAX_ERROR_BYTES = 64 * 1024
_MAX_TOKENS = 10**9
_MISCONFIGURED_CODES = {"insufficient_quota", "invalid_api_key", "model_not_found"}


class JsonApi:
    """A provider's HTTP API. `name` is what error messages call it; safe to share between threads.

    `on_key_refused` is called for each 401.
    """

    def __init__(
        self,
        *,
        name: str,
        base_url: str,
        api_key: str | None,
        max_answer_bytes: int,
        headers: Mapping[str, str] | None = None,
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
        self._max_answer_bytes = max_answer_bytes

    def post(self, path: str, payload: Mapping[str, Any], *, timeout_s: float) -> Any:
        """The parsed answer.

        Unavailable, Throttled or Misconfigured; InvalidInput for the provider's 400, 413, 415, 422.
        """
        status, retry_after, answer = self._exchange(path, json.dumps(payload).encode(), timeout_s)
        if status == 401:
            self._on_key_refused()
        if status != 200:
            raise self._refusal(status, retry_after, answer)
        try:
            return json.loads(answer)
        except (ValueError, RecursionError):
            raise self.unusable("something that is not JSON") from None

    def unusable(self, why: str) -> Unavailable:
        """Return the error for a response of the right form with the wrong content."""
        return Unavailable(f"{self._name} answered {why}.")

    def _exchange(self, path: str, body: bytes, timeout_s: float) -> tuple[int, str | None, bytes]:
        """Return status, Retry-After and body."""
        limit = self._max_answer_bytes
        try:
            with self._client.ask(
                "POST",
                self._client.origin.base_path + path,
                headers=self._headers.items(),
                body=body,
                give_up_at=time.monotonic() + timeout_s,
            ) as answer:
                limit = limit if answer.status == 200 else _MAX_ERROR_BYTES
                return answer.status, answer.header("Retry-After"), answer.read(limit)
        except ExchangeFailed as error:
            raise self._unavailable(error, limit) from None

    def _unavailable(self, error: ExchangeFailed, limit: int) -> Unavailable:
        match error.reason:
            case "timeout" | "connect_timeout":
                return Unavailable(f"{self._name} did not answer in time.")
            case "too_large":
                return self.unusable(f"more than {limit} bytes")
            case "malformed":
                return self.unusable("something that is not HTTP, or broke off")
            case "unreachable" | "address":
                return Unavailable(f"{self._name} cannot be reached ({type(error.__cause__).__name__}).")

    def _refusal(self, status: int, retry_after: str | None, answer: bytes) -> CollectionsError:
        code = _error_code(answer)
        said = f"{self._name} answered {status}" + (f" ({code})." if code else ".")
        if status in (401, 402, 403, 404, 405) or status < 400 or code in _MISCONFIGURED_CODES:
            return Misconfigured(said)
        retry_after_s = _retry_after_s(retry_after)
        if status == 429:
            return Throttled(said, retry_after_s=retry_after_s)
        if status in (400, 413, 415, 422):
            return InvalidInput(said, code=code)
        unavailable = Unavailable(said)
        unavailable.retry_after_s = retry_after_s
        return unavailable


def token_count(*given: Any) -> int:
    """Return the sum of the reported token counts, clamped to 0.._MAX_TOKENS. Raise ValueError for no number."""
    try:
        return min(max(sum(int(each or 0) for each in given), 0), _MAX_TOKENS)
    except (TypeError, OverflowError) as error:
        raise ValueError("This is no number of tokens.") from error


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
