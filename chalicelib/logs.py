"""JSON logs: one object a line, with what `extra` and `fields` carry, and nothing secret in it."""

import json
import logging
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from chalicelib.model.text import UNSTORABLE
from chalicelib.patterns import pattern

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
_SECRETS = pattern(
    # Linear on hostile text: what may be long is bounded, or can begin only where a keyword is.
    r"(?P<scheme>\b[a-z][a-z0-9+.-]{0,30}+://[^\s:/@]*:)[^\s/\"']+(?=@)"  # user:password@ in a URL
    r"|(?P<named>(?i:(?:password|passwd|secret|signature|credential|token|cookie|api[_-]?key|accesskeyid|"
    r"authorization)[\w-]{0,60}+)[\\\"']*\s*[:=]\s*[\\\"']*)(?:(?:Bearer|Basic)\s+)?(?!\d+\b)[^\s\"'&,}\\]{4,}"
    r"|(?P<header>\b(?:Bearer|Basic)\s+)[\w.~+/=-]{8,}"
    r"|\b(?:sk|pk|pa|ls)-[A-Za-z0-9_-]{8,}|\bAKIA[A-Z0-9]{12,}"
    r"|\bck_[\w-]{8,}|(?<![\w-])eyJ[\w-]++\.[\w-]++\.[\w-]+",  # our API keys; JWTs
)


_fields: ContextVar[dict[str, str]] = ContextVar("fields", default={})  # noqa: B039  never changed in place


@contextmanager
def fields(**more: str | None) -> Iterator[None]:
    """Put these fields into every line that is logged in the block; one that is None is left out."""
    token = _fields.set(_fields.get() | {name: value for name, value in more.items() if value is not None})
    try:
        yield
    finally:
        _fields.reset(token)


def redact(text: str) -> str:
    """Replace passwords in URLs, signatures, tokens and API keys by ***."""
    return _SECRETS.sub(lambda match: f"{next((g for g in match.groups() if g), '')}***", text)


def describe_error(error: BaseException) -> str:
    """Return the exception and its causes as one line that can be stored: no secrets, at most 2,000 characters."""
    parts: list[str] = []
    cause: BaseException | None = error
    while cause is not None and len(parts) < 5:
        parts.append(f"{type(cause).__name__}: {cause}")
        cause = cause.__cause__ or (None if cause.__suppress_context__ else cause.__context__)
    return redact(UNSTORABLE.sub("\ufffd", " <- ".join(parts)))[:2_000]


class JsonFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        entry: dict[str, Any] = {
            "time": time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
            + f".{int(record.msecs):03d}Z",
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            **_fields.get(),
        }
        entry |= {key: value for key, value in vars(record).items() if key not in _STANDARD}
        if record.exc_info:
            entry["exception"] = self.formatException(record.exc_info)
        # Redacted before they are JSON: quotes that are escaped would hide a secret from the pattern.
        plain = {
            name: value if isinstance(value, int | float) else redact(str(value))
            for name, value in entry.items()
        }
        return json.dumps(plain, ensure_ascii=False)


def configure(level: str) -> None:
    """Send the app's logs to stderr as JSON; other libraries' from WARNING on."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter())
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger("collections").setLevel(level)
