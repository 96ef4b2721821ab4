"""The table of costs in docs/models.md is the one that the ledger's prices and arithmetic give."""

import re
from decimal import Decimal

from bench import costs


def test_the_documents_table_is_the_ledgers() -> None:
    assert costs.DOCS.read_text(encoding="utf-8") == costs.document(), "run python -m bench.costs --write"


def test_the_table_has_each_vendor_and_each_thing() -> None:
    rows = costs.table().splitlines()
    assert [len(re.findall(r"\|", row)) for row in rows] == [len(costs.VENDORS) + 2] * 8
    assert re.search(re.escape(costs.table()), costs.document())


def test_the_sums_are_those_of_the_price_list() -> None:
    """Anthropic's image by hand: 0.10 and 0.50 dollars a million for Haiku, 0.06 for Voyage's vectors."""
    anthropic = costs.VENDORS[0]
    text = costs.estimate_tokens(costs.prompts.ANALYZING_IMAGE)
    text += costs.estimate_tokens(costs.json.dumps(costs.prompts.ANALYSIS))
    by_hand = Decimal(text + 1533) * Decimal("0.1") + 300 * Decimal("0.5") + 100 * Decimal("0.06")
    assert costs.costs_of(anthropic)["images"] == by_hand / 10**6
