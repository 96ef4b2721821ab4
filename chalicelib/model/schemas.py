"""Checks a value against the part of JSON Schema that model/prompts.py uses. Members that were not asked for pass."""

from collections.abc import Mapping
from typing import Any

_TYPES: dict[str, type] = {"object": dict, "array": list, "string": str, "integer": int}


def find_mistake(value: Any, schema: Mapping[str, Any], path: str = "answer") -> str | None:
    """Return the first mistake, as in "answer.labels[2] must be a string"; None when there is none."""
    kind: str = schema["type"]
    is_right: bool = isinstance(value, _TYPES[kind]) and not isinstance(value, bool)
    if not is_right:
        return f"{path} must be {'an' if kind[0] in 'aio' else 'a'} {kind}"
    if kind == "object":
        return _find_in_object(value, schema, path)
    if kind == "array":
        found = (find_mistake(each, schema["items"], f"{path}[{n}]") for n, each in enumerate(value))
        return next((mistake for mistake in found if mistake), None)
    return None


def _find_in_object(value: dict[str, Any], schema: Mapping[str, Any], path: str) -> str | None:
    properties = schema["properties"]
    for name in properties:
        if name not in value:
            return f"{path}.{name} is missing"
    found = (find_mistake(value[name], each, f"{path}.{name}") for name, each in properties.items())
    return next((mistake for mistake in found if mistake), None)
