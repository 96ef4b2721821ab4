"""Fixtures of the decoder's tests."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from chalicelib.providers.ingest.decoder import Decoder
from tests.support.small_files import LIMITS


@pytest.fixture(scope="module")
def decoder() -> Iterator[Decoder]:
    decoder = Decoder(limits=LIMITS)
    yield decoder
    decoder.close()


@pytest.fixture
def save(tmp_path: Path) -> Callable[..., str]:
    def save_file(content: bytes, name: str = "file") -> str:
        (tmp_path / name).write_bytes(content)
        return str(tmp_path / name)

    return save_file
