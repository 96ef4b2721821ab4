"""A request's parts as checked values. Everything wrong with them is an InvalidInput that names the field."""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, NoReturn, TypeVar
from urllib.parse import unquote_to_bytes

import msgspec

from chalicelib.api.http import AnyQuery
from chalicelib.api.problems import BodyTooLarge, UnsupportedMediaType
from chalicelib.errors import InvalidInput, NotFound
from chalicelib.model.text import UNSTORABLE

T = TypeVar("T")

_Link = tuple[Any, ...]  # (the link of the container, the key in it), () at the root

MAX_DEPTH = 64
MAX_PATH_PARAMETER_CHARS = 1024

_JSON_TYPE = re.compile(r"application/([\w.+-]+\+)?json\s*(;\s*charset=\"?utf-8\"?\s*)?\Z", re.IGNORECASE)
_LOCATED = re.compile(r"(?P<what>.*) - at `(?P<key>key in )?\$\.?(?P<path>.*)`\Z", re.DOTALL)
_MEMBER = re.compile(r"Object (?P<what>contains unknown|missing required) field `(?P<name>.*)`\Z", re.DOTALL)


def parse_path(raw: Mapping[str, str], patterns: Mapping[str, str]) -> dict[str, str]:
    """Unquoted path parameters. Raises NotFound for one that nothing can be stored under."""
    parsed = {}
    for name, value in raw.items():
        try:
            parsed[name] = unquote_to_bytes(value).decode() if "%" in value else value
        except (UnicodeDecodeError, UnicodeEncodeError) as error:
            raise NotFound("There is nothing here.") from error
        if len(parsed[name]) > MAX_PATH_PARAMETER_CHARS or UNSTORABLE.search(parsed[name]):
            raise NotFound("There is nothing here.")
        if name in patterns and not re.fullmatch(patterns[name], parsed[name]):
            raise InvalidInput(f"Expected a text that matches {patterns[name]}.", field=name)
    return parsed


def parse_query(raw: Mapping[str, Sequence[str]], type_: type[T], repeatable: frozenset[str]) -> T:
    """Convert strings to the Struct's types; a parameter that is not repeatable may come once."""
    if issubclass(type_, AnyQuery):
        return type_()
    values: dict[str, Any] = {}
    for name, given in raw.items():
        if any(UNSTORABLE.search(text) for text in (name, *given)):
            raise InvalidInput("It has characters that no text can have.", field=UNSTORABLE.sub("?", name))
        if name not in repeatable and len(given) != 1:
            raise InvalidInput("It is given more than once.", field=name)
        values[name] = given if name in repeatable else given[0]
    parsed = _convert(values, type_, strict=False)
    for name, given in raw.items():
        # msgspec would take a number of seconds for a moment as well.
        if isinstance(getattr(parsed, name, None), datetime) and ":" not in given[0]:
            raise InvalidInput("Expected an RFC 3339 date and time.", field=name)
    return parsed


def parse_body(raw: bytes, content_type: str, type_: type[T], *, max_bytes: int) -> T:
    """Decode a JSON body stricter than JSON itself: see `_decode`."""
    if len(raw) > max_bytes:
        raise BodyTooLarge(max_bytes)
    if not raw:
        raise InvalidInput("The body is empty; a JSON object is expected.", code="invalid_json")
    if not _JSON_TYPE.match(content_type):
        raise UnsupportedMediaType("The body must be application/json in UTF-8.")
    return _convert(_decode(raw), type_, strict=True)


def parse_raw(raw: bytes, content_type: str, expected: str, *, max_bytes: int) -> bytes:
    """A body that is a file of the expected media type, as it came."""
    if len(raw) > max_bytes:
        raise BodyTooLarge(max_bytes)
    if content_type.partition(";")[0].strip().lower() != expected:
        raise UnsupportedMediaType(f"The body must be {expected}.")
    if not raw:
        raise InvalidInput("The body is empty.", code="empty_body")
    return raw


def _decode(raw: bytes) -> Any:
    """JSON without duplicate keys, NaN, infinities, integers over 64 bits, deep nesting, unstorable text."""
    try:
        value = json.loads(
            raw.decode(),
            object_pairs_hook=_object,
            parse_constant=_refuse_constant,
            parse_float=_float,
            parse_int=_int,
        )
    except UnicodeDecodeError as error:
        raise InvalidInput("The body is not UTF-8.", code="invalid_json") from error
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise InvalidInput(f"The body is not JSON: {error.msg} at {where}.", code="invalid_json") from error
    except RecursionError as error:
        raise _too_deep() from error
    # Walking costs more than parsing: only when there is something to find.
    if b"\\u" in raw or raw.count(b"[") + raw.count(b"{") > MAX_DEPTH:
        _walk(value)
    return value


def _walk(root: Any) -> None:
    """Refuse deep nesting and unstorable text. Paths are linked keys, spelt out only for the error."""
    rest: list[tuple[_Link, Any, int]] = [((), root, 1)]
    while rest:
        link, container, depth = rest.pop()
        if isinstance(container, dict):
            if any(UNSTORABLE.search(key) for key in container):
                raise InvalidInput("It has a key with characters that no text can have.", field=_spell(link))
            members: Iterable[tuple[Any, Any]] = container.items()
        else:
            members = enumerate(container) if isinstance(container, list) else [(None, container)]
        for key, member in members:
            if isinstance(member, str) and UNSTORABLE.search(member):
                raise InvalidInput("It has characters that no text can have.", field=_spell((link, key)))
            if isinstance(member, (dict, list)):
                if depth == MAX_DEPTH:
                    raise _too_deep()
                rest.append(((link, key), member, depth + 1))


def _spell(link: _Link) -> str:
    keys = []
    while link:
        link, key = link
        keys.append(f"[{key}]" if isinstance(key, int) else "" if key is None else f".{key}")
    return "".join(reversed(keys)).removeprefix(".")


def _too_deep() -> InvalidInput:
    return InvalidInput(f"The body is nested deeper than {MAX_DEPTH}.", code="invalid_json")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise InvalidInput("It is given more than once.", field=UNSTORABLE.sub("?", twice))
    return members


def _refuse_constant(name: str) -> NoReturn:
    raise InvalidInput(f"{name} is not JSON.", code="invalid_json")


def _float(text: str) -> float:
    """An int for a whole number such as 1.0, which JSON Schema calls an integer."""
    number = float(text)
    if number in (float("inf"), float("-inf")):
        raise InvalidInput(f"The number {text[:32]} is out of range.", code="invalid_json")
    return int(number) if number.is_integer() and abs(number) < 2**63 else number


def _int(text: str) -> int:
    # 19 digits and a sign: anything longer is over 64 bits, and int() of a long text is slow.
    if len(text) > 20 or not -(2**63) <= int(text) < 2**63:
        raise InvalidInput(f"The number {text[:32]} is out of range.", code="invalid_json")
    return int(text)


def _convert(values: Any, type_: type[T], *, strict: bool) -> T:
    try:
        return msgspec.convert(values, type_, strict=strict)
    except msgspec.ValidationError as error:
        raise _invalid(str(error)) from error


def _invalid(message: str) -> InvalidInput:
    """msgspec's message with the path taken out of it: "Expected `int` <= 100 - at `$.limit`"."""
    located = _LOCATED.match(message)
    what, field = (located["what"], located["path"]) if located else (message, "")
    member = _MEMBER.match(what)
    if member:
        field = f"{field}.{member['name']}" if field else member["name"]
        what = "It is not known here" if member["what"] == "contains unknown" else "It is missing"
    return InvalidInput(f"{what}.", field=field)
