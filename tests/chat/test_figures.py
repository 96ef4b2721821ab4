"""A figure or an address that the quotes do not have is noticed."""

from time import process_time

import pytest

from chalicelib.model.chat.figures import has_unsupported_facts


@pytest.mark.parametrize(
    ("sentence", "known", "expected"),
    [
        ("It costs 12 euros.", ["the price is 12 euros"], False),
        ("It costs 13 euros.", ["the price is 12 euros"], True),
        ("It costs 1,200 euros.", ["the price is 1200 euros"], False),
        ("It costs 1.5 euros.", ["the price is 15 euros"], True),
        ("In 2019 it rose by 4 percent.", ["it rose by 4 percent", "what happened in 2019?"], False),
        ("See https://evil.example/x?q=1", ["it rose by 4 percent"], True),
        ("See https://good.example/a.", ["as https://good.example/a says"], False),
        ("Write to eve@evil.example now.", ["it rose by 4 percent"], True),
        ("See www.evil.example now.", ["it rose"], True),
        ("It rose.", [], False),
        ("It was -5 degrees.", ["it was 5 degrees"], True),
        ("It was 5 degrees.", ["it was \u22125 degrees"], True),
        ("It was minus 5 degrees.", ["it was \u22125 degrees"], False),
        ("It was 5 to 10 degrees.", ["it was 5-10 degrees"], False),
        ("It is 102 metres.", ["it is 10\u00b2 metres"], True),
        ("It is 10\u00b2 metres.", ["it is 10\u00b2 metres"], False),
        ("Add 11 cups.", ["add 1\u00bd cups"], True),
        ("It costs 12 million euros.", ["it costs 12 euros"], True),
        ("It costs 12 million euros.", ["it costs 12 million euros"], False),
        ("It costs 1.5 million euros.", ["it costs 1,500,000 euros"], False),
        ("It costs 500,000 euros.", ["it costs 0.5 million euros"], False),
        ("Es kostet 1,5 Milliarden Euro.", ["it costs 1.5 billion euros"], False),
        ("It costs 1.5 euros.", ["it costs 1.5 million euros"], True),
        ("It has 1.2345 million.", ["it has 1.2345 million"], False),
        ("It costs 500 euros.", ["it costs 12\u00a0500 euros"], True),
        ("It costs 500 francs.", ["it costs 12'500 francs"], True),
        ("It costs 12,500 or 12 500 euros.", ["it costs 12\u00a0500 euros"], False),
        ("It costs 12,500 euros.", ["it costs 12 500 euros"], False),
        ("In room 12 500 people sat.", ["500 people sat in room 12"], False),
        ("It costs 4\u200b7 euros.", ["it costs 4 or 7 euros"], True),
        ("Log in at evil.example/x", ["it rose"], True),
        ("See [this](javascript:alert) now.", ["see this now"], True),
        ("Log in at www\u200b.evil.example now.", ["it rose"], True),
        ("Log in at evil.example.", ["log in at notevil.example"], True),
        ("Log in at good.example.", ["log in at https://good.example/a."], False),
        ("It rose, e.g. at 5 a.m. in St. Gallen.", ["it rose at 5"], False),
    ],
)  # fmt: skip
def test_figures_and_addresses_must_be_in_the_quotes(sentence: str, known: list[str], expected: bool) -> None:
    assert has_unsupported_facts(sentence, known) is expected


@pytest.mark.parametrize("piece", ["a", "a.", "a-", "1.", "1 million ", "1 ", "@", "://", "-", "\u00bd"])
def test_long_sentences_take_time_in_proportion(piece: str) -> None:
    def seconds(length: int) -> float:
        start = process_time()
        has_unsupported_facts(piece * length, [piece * length])
        return process_time() - start

    seconds(100)
    assert seconds(10_000) < 0.1 + 30 * seconds(1_000)
