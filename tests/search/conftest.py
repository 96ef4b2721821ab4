"""Fixtures for tests of search: an index that is to be moved to another model."""

from collections.abc import Iterator

import pytest

from tests.support.next_model import WORDS, Moving
from tests.support.talking import document
from tests.support.world import World


@pytest.fixture
def moving(world: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[Moving]:
    made = Moving(world, monkeypatch)
    for user in ("alice", "bob"):
        for word in WORDS:
            world.ingest(f"{user}/{word}.pdf", document(f"The {word} of {user} is by the {word} house."))
    yield made
    made.operators.close()
