"""Finds all mistakes in the values of a request, each with its field, the limit and the way out.

msgspec stops at the first mistake. So the values are checked part by part after it has found one.
"""

import re
from collections.abc import Iterator, Sequence
from enum import Enum
from itertools import islice
from types import UnionType
from typing import Annotated, Any, Literal, NoReturn, Union, get_args, get_origin

import msgspec
from msgspec import Struct
from msgspec.structs import fields

from chalicelib.errors import InvalidInput
from chalicelib.model.text import UNSTORABLE
from chalicelib.patterns import pattern

MAX_MISTAKES = 20  # enough for a list with thousands of mistakes
_MAX_NAME_CHARS = 64
_SEQUENCES = (list, tuple, set, frozenset)
_WORDS = {
    "str": "a text",
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "array": "a list",
    "object": "an object",
    "datetime": "a date and time",
}
# msgspec's messages, without the path that it puts behind them.
_KIND = pattern(r"Expected `(?P<kinds>[^`]+)`, got `(?P<got>[^`]+)`")
_LENGTH = pattern(r"Expected `(?P<kind>str|array|object)` of length (?P<sign>>=|<=) (?P<limit>\d+)")
_RANGE = pattern(r"Expected `(?:int|float)` (?P<sign>>=|<=|>|<) (?P<limit>\S+)")
_PATTERN = pattern(r"Expected `str` matching regex (?P<pattern>['\"].*['\"])", re.DOTALL)
_SIGNS = {">=": "at least", "<=": "at most", ">": "more than", "<": "less than"}
_UNITS = {"str": "character", "array": "element", "object": "member"}
A_MOMENT = "a date and time as in RFC 3339, with its offset, such as 2026-01-31T09:30:00Z"
_OTHERS = (
    ("Invalid RFC3339 encoded datetime", f"must be {A_MOMENT}"),
    ("Expected `datetime` with a timezone component", f"must be {A_MOMENT}"),
    ("Invalid RFC3339 encoded date", "must be a date, such as 2026-01-31"),
    ("Invalid UUID", "must be a UUID, such as 01234567-89ab-cdef-0123-456789abcdef"),
    ("Integer value out of range", "must be a whole number of at most 64 bits"),
)


def refuse(found: Sequence[InvalidInput]) -> NoReturn:
    """Raise the mistake, or one error with up to MAX_MISTAKES of them in `mistakes`."""
    found = found[:MAX_MISTAKES]
    if len(found) == 1:
        raise found[0]
    codes = {each.code for each in found}
    raise InvalidInput(
        " ".join(each.message for each in found),
        code=codes.pop() if len(codes) == 1 else InvalidInput.code,
        field=found[0].field,
        mistakes=found,
    )


def find_mistakes(
    values: Any, type_: Any, *, strict: bool, at: str = "", noun: str = "field"
) -> list[InvalidInput]:
    """Return the mistakes that keep the values from being of this type, at most MAX_MISTAKES.

    `at` is the field that has the values; `noun` is the word for a member of an object in the messages.
    """
    return list(islice(_find(values, type_, at, strict, noun), MAX_MISTAKES))


def _find(value: Any, hint: Any, at: str, strict: bool, noun: str) -> Iterator[InvalidInput]:
    try:
        msgspec.convert(value, hint, strict=strict)
    except msgspec.ValidationError as error:
        message = str(error)
    else:
        return
    deeper = _find_deeper(value, hint, at, strict, noun)
    first = next(deeper, None)
    if first is None:
        yield InvalidInput(f"{at or 'The body'} {_say(message, hint)}.", field=at)
        return
    yield first
    yield from deeper


def _find_deeper(value: Any, hint: Any, at: str, strict: bool, noun: str) -> Iterator[InvalidInput]:
    """Yield the mistakes in the parts of an object or a list; none if the whole value is wrong."""
    for part in _alternatives(hint):
        if isinstance(value, dict) and isinstance(part, type) and issubclass(part, Struct):
            yield from _find_in_object(value, part, at, strict, noun)
        elif isinstance(value, list | tuple) and get_origin(part) in _SEQUENCES:
            for number, each in enumerate(value):
                yield from _find(each, get_args(part)[0], f"{at}[{number}]", strict, noun)


def _find_in_object(
    value: dict[str, Any], struct: type[Struct], at: str, strict: bool, noun: str
) -> Iterator[InvalidInput]:
    known = {each.encode_name: each for each in fields(struct)}
    if struct.__struct_config__.forbid_unknown_fields:
        names = f"known: {', '.join(known)}" if known else "there is none here"
        for name in [shown(name) for name in value if name not in known]:
            where, field = (f" in {at}", f"{at}.{name}") if at else ("", name)
            yield InvalidInput(f"Unknown {noun} `{name}`{where}; {names}.", field=field)
    for name, each in known.items():
        field = f"{at}.{name}" if at else name
        if name in value:
            yield from _find(value[name], each.type, field, strict, noun)
        elif each.required:
            yield InvalidInput(f"{field} is missing.", field=field)


def shown(name: str) -> str:
    """Return a client's name for a field in a form that can be shown and stored."""
    return UNSTORABLE.sub("?", name)[:_MAX_NAME_CHARS]


def _alternatives(hint: Any) -> Iterator[Any]:
    """Yield the members of a union without their constraints, or the type itself if it is no union."""
    if get_origin(hint) is Annotated:
        yield from _alternatives(get_args(hint)[0])
    elif get_origin(hint) in (Union, UnionType):
        for each in get_args(hint):
            yield from _alternatives(each)
    else:
        yield hint


def _say(message: str, hint: Any) -> str:
    """Return msgspec's message in plain words, to follow the field's name."""
    if options := list(_options(hint)):
        return f"must be one of: {', '.join(options)}"
    if match := _LENGTH.match(message):
        unit = _UNITS[match["kind"]] + ("" if match["limit"] == "1" else "s")
        return f"must have {_SIGNS[match['sign']]} {match['limit']} {unit}"
    if match := _RANGE.match(message):
        return f"must be {_SIGNS[match['sign']]} {match['limit'].removesuffix('.0')}"
    if match := _KIND.match(message):
        kinds = [_WORDS.get(kind, kind) for kind in match["kinds"].split(" | ")]
        return f"must be {' or '.join(kinds)}, not {_WORDS.get(match['got'], match['got'])}"
    if match := _PATTERN.match(message):
        return _expected(hint) or f"must match the pattern {match['pattern']}"
    return next((said for theirs, said in _OTHERS if message.startswith(theirs)), f"is wrong: {message}")


def _expected(hint: Any) -> str | None:
    """Return what stands in words beside a pattern, as `Meta(pattern=..., extra={"expected": ...})`."""
    extras = (
        meta.extra or {} for part in (hint, *get_args(hint)) for meta in getattr(part, "__metadata__", ())
    )
    return next((extra["expected"] for extra in extras if "expected" in extra), None)


def _options(hint: Any) -> Iterator[str]:
    for part in _alternatives(hint):
        if get_origin(part) is Literal:
            yield from map(str, get_args(part))
        elif isinstance(part, type) and issubclass(part, Enum):
            yield from (str(each.value) for each in part)
