"""Fixtures of the library's tests."""

import pytest

from tests.support.guide import PDF
from tests.support.world import World


@pytest.fixture
def guide(world: World) -> None:
    world.ingest("alice/guide.pdf", PDF)
