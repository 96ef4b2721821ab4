"""Numbers that the computation takes: costs.toml, and what was given instead."""

import math
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

COSTS = Path(__file__).with_name("costs.toml")
SHARES = {"many.awake", "one.awake", "postgres.cached"}
WHOLE = {"many.tenants", "one.tenants", "postgres.vcpus", "lambda.concurrency"} | {
    "worker.concurrency",
    "worker.of_one_tenant",
    "price.zones",
}

Costs = Mapping[str, float]


class BadNumber(ValueError):
    """A number that cannot be computed with. The message names it, its bounds and what was given."""


def table() -> dict[str, dict[str, Any]]:
    """Return the numbers by name, each with its value, unit and source."""
    return tomllib.loads(COSTS.read_text(encoding="utf-8"))


def read_costs(given: Sequence[str] = ()) -> Costs:
    """Return all numbers by name, those of `given`, as NAME=VALUE, instead of the file's. Raise BadNumber."""
    costs = {name: float(entry["value"]) for name, entry in table().items()}
    for text in given:
        name, _, value = text.partition("=")
        if name not in costs:
            raise BadNumber(f"{name}: there is no such number; --list shows all.")
        try:
            costs[name] = float(value)
        except ValueError:
            raise BadNumber(
                f"{name}: a number is needed, as {name}={costs[name]:g}, not {value!r}."
            ) from None
    for name, number in costs.items():
        _check(name, number)
    return costs


def _check(name: str, number: float) -> None:
    if not math.isfinite(number) or number <= 0:
        raise BadNumber(f"{name}: a number above 0 is needed, not {number:g}.")
    if name in SHARES and number > 1:
        raise BadNumber(f"{name}: a share is at most 1, not {number:g}.")
    if name in WHOLE and number != int(number):
        raise BadNumber(f"{name}: a whole number is needed, not {number:g}.")
