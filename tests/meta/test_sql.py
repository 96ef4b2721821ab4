"""Every named statement is valid against the migrated schema: EXPLAIN (GENERIC_PLAN) as the role that runs it."""

import re
from pathlib import Path

import pytest

from chalicelib.stores.postgres.sql import statements
from tests.support.plans import plan

STORES = Path(__file__).parents[2] / "chalicelib" / "stores"
ALL = [
    pytest.param(text, id=f"{path.stem}.{name}")
    for path in sorted(STORES.rglob("*.sql"))
    for name, text in statements(str(path)).items()
]


@pytest.mark.parametrize("text", ALL)
def test_statement_can_be_planned(text: str, template_url: str) -> None:
    assert plan(text, template_url)


@pytest.mark.parametrize("text", [each for each in ALL if each.id != "api_keys.delete"])  # 50 a user at most
def test_no_id_is_compared_as_text_which_no_index_has(text: str) -> None:
    assert not re.search(r"\bid::text\s*=", text)
