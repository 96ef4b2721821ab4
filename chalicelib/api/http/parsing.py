"""Parses a request's parts into checked values. Every mistake is an InvalidInput that names the field."""

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from functools import cache
from typing import Any, NoReturn, TypeVar, get_args, get_origin, get_type_hints
from urllib.parse import unquote_to_bytes

import msgspec

from chalicelib.api.http.problems import BodyTooLarge, UnsupportedMediaType
from chalicelib.api.http.routes import AnyQuery
from chalicelib.errors import InvalidInput, NotFound
from chalicelib.model.mistakes import A_MOMENT, find_mistakes, refuse, shown
from chalicelib.model.text import UNSTORABLE
from chalicelib.patterns import pattern

T = TypeVar("T")

_Link = tuple[Any, ...]  # (the link of the container, the key in it), () at the root

MAX_DEPTH = 64
MAX_PATH_PARAMETER_CHARS = 1024

_JSON_TYPE = pattern(r"application/([\w.+-]+\+)?json\s*(;\s*charset=\"?utf-8\"?\s*)?\Z", re.IGNORECASE)


def parse_together(*parts: Callable[[], Any]) -> list[Any]:
    """Parse a request's parts. Raise InvalidInput with the mistakes of all of them, any other error at once."""
    values, found = [], list[InvalidInput]()
    for parse in parts:
        try:
            values.append(parse())
        except InvalidInput as error:
            found += error.mistakes
    if found:
        refuse(found)
    return values


def parse_path(raw: Mapping[str, str], patterns: Mapping[str, str]) -> dict[str, str]:
    """Return the path parameters unquoted. Raise NotFound for one with characters that cannot be stored."""
    parsed, found = {}, []
    for name, value in raw.items():
        try:
            parsed[name] = unquote_to_bytes(value).decode() if "%" in value else value
        except (UnicodeDecodeError, UnicodeEncodeError) as error:
            raise NotFound("There is nothing here.") from error
        if len(parsed[name]) > MAX_PATH_PARAMETER_CHARS or UNSTORABLE.search(parsed[name]):
            raise NotFound("There is nothing here.")
        if name in patterns and not re.fullmatch(patterns[name], parsed[name]):
            found.append(InvalidInput(f"{name} must match the pattern {patterns[name]}.", field=name))
    if found:
        refuse(found)
    return parsed


def parse_query(raw: Mapping[str, Sequence[str]], type_: type[T]) -> T:
    """Return the query as `type_`.

    Raise InvalidInput, also for a second value of a parameter that is not repeatable.
    """
    if issubclass(type_, AnyQuery):
        return type_()
    repeatable = _repeatable(type_)  # type: ignore[arg-type]  # a type is Hashable
    values: dict[str, Any] = {}
    found: list[InvalidInput] = []
    for name, given in raw.items():
        if any(UNSTORABLE.search(text) for text in (name, *given)):
            found.append(_wrong(name, "has characters that cannot be stored"))
        elif name not in repeatable and len(given) != 1:
            found.append(_wrong(name, "is given more than once"))
        else:
            values[name] = given if name in repeatable else given[0]
    if not found:
        try:
            parsed = msgspec.convert(values, type_, strict=False)
        except msgspec.ValidationError:
            pass
        else:
            _require_colons(parsed, values)
            return parsed
    wrong = {each.field for each in found}
    others = find_mistakes(values, type_, strict=False, noun="parameter")
    refuse(found + [each for each in others if each.field not in wrong])


@cache
def _repeatable(query: Any) -> frozenset[str]:
    """Return the names of the parameters that may come several times. Kept: reading a type's hints takes 70 us."""
    hints = get_type_hints(query)
    names = dict(zip(query.__struct_fields__, query.__struct_encode_fields__, strict=True))
    sequences = (list, tuple, set, frozenset)
    return frozenset(
        names[name]
        for name, hint in hints.items()
        if get_origin(hint) in sequences or any(get_origin(part) in sequences for part in get_args(hint))
    )


def _require_colons(parsed: Any, values: Mapping[str, Any]) -> None:
    """Raise InvalidInput for a time given as a number: msgspec accepts seconds since 1970 too."""
    numbers = [
        name
        for name, text in values.items()
        if isinstance(getattr(parsed, name), datetime) and ":" not in text
    ]
    if numbers:
        refuse([InvalidInput(f"{name} must be {A_MOMENT}.", field=name) for name in numbers])


def parse_body(raw: bytes, content_type: str, type_: type[T], *, max_bytes: int) -> T:
    """Return the JSON body as `type_`. `_decode` accepts less than JSON allows."""
    if len(raw) > max_bytes:
        raise BodyTooLarge(max_bytes)
    if not raw:
        raise InvalidInput("The body is empty; a JSON object is expected.", code="invalid_json")
    if not _JSON_TYPE.match(content_type):
        raise UnsupportedMediaType("The body must be application/json in UTF-8.")
    values = _decode(raw)
    try:
        return msgspec.convert(values, type_, strict=True)
    except msgspec.ValidationError:
        refuse(find_mistakes(values, type_, strict=True))


def parse_raw(raw: bytes, content_type: str, expected: str, *, max_bytes: int) -> bytes:
    """Return a body that is a file of the expected media type, as it came."""
    if len(raw) > max_bytes:
        raise BodyTooLarge(max_bytes)
    if content_type.partition(";")[0].strip().lower() != expected:
        raise UnsupportedMediaType(f"The body must be {expected}.")
    if not raw:
        raise InvalidInput("The body is empty.", code="empty_body")
    return raw


def _decode(raw: bytes) -> Any:
    """Return decoded JSON.

    Refuse duplicate keys, NaN, infinities, integers over 64 bits, deep nesting, unstorable text.
    """
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
                raise InvalidInput(
                    f"{_spell(link) or 'The body'} has a key with characters that cannot be stored.",
                    field=_spell(link),
                )
            members: Iterable[tuple[Any, Any]] = container.items()
        else:
            members = enumerate(container) if isinstance(container, list) else [(None, container)]
        for key, member in members:
            if isinstance(member, str) and UNSTORABLE.search(member):
                raise InvalidInput(
                    f"{_spell((link, key)) or 'The body'} has characters that cannot be stored.",
                    field=_spell((link, key)),
                )
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
        raise _wrong(twice, "is given more than once")
    return members


def _wrong(name: str, what: str) -> InvalidInput:
    return InvalidInput(f"{shown(name)} {what}.", field=shown(name))


def _refuse_constant(name: str) -> NoReturn:
    raise InvalidInput(f"{name} is not JSON.", code="invalid_json")


def _float(text: str) -> float:
    """Return an int for a whole number such as 1.0, which JSON Schema calls an integer."""
    number = float(text)
    if number in (float("inf"), float("-inf")):
        raise InvalidInput(f"The number {text[:32]} is out of range.", code="invalid_json")
    return int(number) if number.is_integer() and abs(number) < 2**63 else number


def _int(text: str) -> int:
    # 19 digits and a sign: anything longer is over 64 bits, and int() of a long text is slow.
    if len(text) > 20 or not -(2**63) <= int(text) < 2**63:
        raise InvalidInput(f"The number {text[:32]} is out of range.", code="invalid_json")
    return int(text)
