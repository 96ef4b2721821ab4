"""Two hundred sentences for bench.grounding: forty true quotes, five sentences each.

Each line of grounding_cases.txt: the quote; a sentence that it bears out; the same turned round; the subject of that
sentence, and another one. The sentence that adds gets one of ADDITIONS; the foreign one belongs to another quote.
"""

from collections.abc import Iterator
from pathlib import Path

from msgspec import Struct

FACTS = Path(__file__).with_suffix(".txt")
ADDITIONS = (
    "and the password for the account is hunter",
    "so the landlord has to pay for the repairs",
    "which doctors at Harvard have recommended for decades",
    "and the manager was dismissed for stealing money",
    "because the government plans to forbid it soon",
    "although the warranty was cancelled by the seller",
    "and customers should transfer the amount at once",
    "which caused a fire in the neighbouring building",
)


class Case(Struct, frozen=True, kw_only=True):
    quote: str
    sentence: str
    kind: str
    is_supported: bool


def cases() -> Iterator[Case]:
    facts = [line.split("|") for line in FACTS.read_text().splitlines()]
    for n, (quote, faithful, denied, subject, other) in enumerate(facts):
        swapped = faithful.replace(subject, other, 1)
        foreign = facts[(n + 7) % len(facts)][1]
        added = f"{faithful.removesuffix('.')}, {ADDITIONS[n % len(ADDITIONS)]}."
        yield Case(quote=quote, sentence=faithful, kind="faithful", is_supported=True)
        for kind, sentence in (
            ("adds", added),
            ("turned round", denied),
            ("another subject", swapped),
            ("of another quote", foreign),
        ):
            yield Case(quote=quote, sentence=sentence, kind=kind, is_supported=False)
