"""Reads promises.toml, changes what a mutant names, and writes docs/internal/promises.md."""

import tomllib
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct

from tests.mutants.sql import mutated_sql
from tests.mutants.tree import mutated_module

PROJECT = Path(__file__).resolve().parent.parent.parent
PROMISES = PROJECT / "tests" / "promises.toml"
DOCUMENT = PROJECT / "docs" / "internal" / "promises.md"
AREAS = (
    "work",
    "ingest",
    "library",
    "search",
    "chat",
    "practice",
    "models",
    "accounts",
    "gateway",
    "jobs",
    "webhooks",
    "operations",
)


class Promise(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One sentence, the tests that show it, and the mutants that at least one of these tests notices."""

    area: Literal[AREAS]  # type: ignore[valid-type]
    promise: str
    tests: Annotated[tuple[str, ...], Meta(min_length=1)]
    without: Annotated[tuple[str, ...], Meta(min_length=1)]

    @property
    def mutants(self) -> "list[Mutant]":
        return [parse_mutant(text, self) for text in self.without]


class Mutant(Struct, frozen=True, kw_only=True):
    """`text` is "<place> <operation> <argument>"; a place is `dotted.module:qualname` or `path/file.sql:statement`."""

    text: str
    file: str
    name: str
    operation: str
    argument: str
    promise: Promise

    def apply(self, source: str) -> str:
        """Return the file's text without the protection. Raise ValueError unless exactly one place fits."""
        change = mutated_sql if self.file.endswith(".sql") else mutated_module
        try:
            return change(source, self.name, self.operation, self.argument)
        except (ValueError, KeyError, IndexError, SyntaxError) as error:
            raise ValueError(f"{self.text}: {error}") from error


def parse_mutant(text: str, promise: Promise) -> Mutant:
    place, operation, argument = text.split(" ", 2)
    where, _, name = place.partition(":")
    file = where if where.endswith(".sql") else where.replace(".", "/") + ".py"
    return Mutant(text=text, file=file, name=name, operation=operation, argument=argument, promise=promise)


def read_promises(text: str | None = None) -> list[Promise]:
    """Read them from the text, or from the file as it is now."""
    given = tomllib.loads(PROMISES.read_text(encoding="utf-8") if text is None else text)
    return msgspec.convert(given["promise"], list[Promise])


def document() -> str:
    """Return the table of all promises, by area."""
    lines = [
        "# What is promised, and what was taken out to see its test fail",
        "",
        "Written by `python -m tests.mutants --write` from `tests/promises.toml`. `make mutants` makes each change of"
        " the right column in a copy of the project and sees that one of the tests fails. `tests/mutants/tree.py` and"
        " `sql.py` say what the changes mean.",
    ]
    promises = read_promises()
    for area in AREAS:
        lines += ["", f"## {area.capitalize()}", "", "| promise | tests | fails without |", "|---|---|---|"]
        for promise in promises:
            if promise.area == area:
                cells = (promise.tests, promise.without)
                tests, without = ("<br>".join(f"`{_cell(each)}`" for each in cell) for cell in cells)
                lines.append(f"| {promise.promise} | {tests} | {without} |")
    return "\n".join(lines) + "\n"


def _cell(text: str) -> str:
    return text.removeprefix("tests/").removeprefix("chalicelib.").replace("|", "\\|")
