"""promises.toml fits the code: its mutants, its tests, and the table that is written from it."""

import ast
import re
from pathlib import Path

import psycopg2

from chalicelib.stores.postgres.sql import statements
from tests.mutants.promises import DOCUMENT, PROJECT, Mutant, document, read_promises
from tests.support.plans import plan


def test_every_mutant_fits_one_place_and_what_it_leaves_is_valid(template_url: str, tmp_path: Path) -> None:
    wrong = []
    for mutant in (mutant for promise in read_promises() for mutant in promise.mutants):
        try:
            changed = mutant.apply((PROJECT / mutant.file).read_text(encoding="utf-8"))
            if mutant.name and mutant.file.endswith(".sql"):
                _plan(mutant, changed, template_url, tmp_path)
        except (ValueError, psycopg2.Error, OSError) as error:
            wrong.append(f"{mutant.text}: {error}")
    assert wrong == []


def _plan(mutant: Mutant, changed: str, url: str, folder: Path) -> None:
    """Plan the statement, or one that includes it."""
    (folder / "changed.sql").write_text(changed, encoding="utf-8")
    plan(statements(str(folder / "changed.py"))[mutant.name], url)


def test_every_named_test_exists() -> None:
    named = {test for promise in read_promises() for test in promise.tests}
    files = {test.partition("::")[0] for test in named}
    there = {f"{file}::{name}" for file in files if (PROJECT / file).exists() for name in _functions(file)}
    assert sorted(test for test in named if re.sub(r"\[.*", "", test) not in there | files) == []
    assert sorted(file for file in files if not (PROJECT / file).exists()) == []


def _functions(file: str) -> list[str]:
    tree = ast.parse((PROJECT / file).read_text(encoding="utf-8"))
    return [node.name for node in tree.body if isinstance(node, ast.FunctionDef)]


def test_the_table_is_written_from_the_promises() -> None:
    assert DOCUMENT.read_text(encoding="utf-8") == document(), "run python -m tests.mutants --write"
