"""docs/reliability.md tells what the tests show, and nothing else."""

import ast
from pathlib import Path

import pytest

from tests.mutants import DOCUMENT, PROJECT, Mutant, document, mutated, promises

PROMISES = promises()
MUTANTS = [mutant for promise in PROMISES for mutant in promise.mutants]


def names_in(path: Path) -> set[str]:
    return {node.name for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.FunctionDef)}


def test_the_document_is_written_from_the_promises() -> None:
    assert DOCUMENT.read_text() == document(), "run python -m tests.mutants --write"


@pytest.mark.parametrize(
    "test", sorted({t for p in PROMISES for t in p.tests} | {t for m in MUTANTS for t in m.tests})
)
def test_a_test_that_is_named_exists(test: str) -> None:
    file, _, name = test.partition("::")
    assert not name or name.partition("[")[0] in names_in(PROJECT / file)


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.without)
def test_what_a_mutant_takes_out_is_there(mutant: Mutant) -> None:
    text = (PROJECT / mutant.file).read_text()
    assert mutated(mutant, text) != text


def test_every_promise_has_a_test() -> None:
    assert [promise.promise for promise in PROMISES if not promise.tests] == []
