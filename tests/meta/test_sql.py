"""Every named statement is valid against the migrated schema: EXPLAIN (GENERIC_PLAN) as the role that runs it."""

import re
from pathlib import Path

import pytest

from chalicelib.stores.postgres.sql import statements
from tests.support.plans import misfits

STORES = Path(__file__).parents[2] / "chalicelib" / "stores"
FILES = {path.stem: statements(str(path)) for path in sorted(STORES.rglob("*.sql"))}


@pytest.mark.parametrize("file", FILES)
def test_statements_can_be_planned(file: str, template_url: str) -> None:
    assert misfits(FILES[file], template_url) == {}


def test_no_id_is_compared_as_text_which_no_index_has() -> None:
    named = {f"{file}.{name}": text for file, texts in FILES.items() for name, text in texts.items()}
    del named["api_keys.delete"]  # 50 a user at most
    assert [name for name, text in named.items() if re.search(r"\bid::text\s*=", text)] == []
