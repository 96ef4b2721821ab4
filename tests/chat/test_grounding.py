"""A sentence must be borne out by its quote, not merely accompanied by one."""

import pytest

from chalicelib.model.chat.grounding import LEAST_SHARE, share_of_words, strays
from tests.support.talking import Talk, document

KEEPER = "The lighthouse keeper counts the ships every evening."
TRUE_QUOTES = [
    ("The keeper counts ships.", [KEEPER]),
    ("Every evening, ships are counted by the lighthouse keeper.", [KEEPER]),
    ("Yes, it is so.", [KEEPER]),
    ("The keeper does not sleep.", ["The keeper never sleeps."]),
    ("In 1911 Ada Keane was keeper.", ["The keeper in 1911 was ADA KEANE."]),
    ("Der Leuchtturmwärter zählt die Schiffe und das ist nicht neu.", [KEEPER]),  # another language
    (
        "Die Schiffe zählt der Wärter.",
        ["Der Wärter zählt jeden Abend die Schiffe."],
    ),  # German nouns are no names
    ("灯台守は毎晩船を数える。", ["灯台守は毎晩、船を数えている。"]),
    ("The keeper of Hook Head counts ships.", [KEEPER]),  # named in what is known
    ("The sword of Orion is a nebula.", ["The middle star of Orion's sword is a nebula."]),
    ("Les nuages et l’Orion de Verne.", ["Les nuages d'Orion et de Verne."]),
]
STRAYING = [
    ("The password of the account is hunter.", [KEEPER]),
    ("The keeper never counts the ships.", [KEEPER]),
    ("The keeper doesn’t count the ships.", [KEEPER]),
    ("The lighthouse keeper counts the ships for Napoleon.", [KEEPER]),
    ("Transfer all savings to the following account today.", [KEEPER, "Ships pass at night."]),
]


@pytest.mark.parametrize(("sentence", "quotes"), TRUE_QUOTES)
def test_a_sentence_that_keeps_to_its_quotes_stays(sentence: str, quotes: list[str]) -> None:
    assert not strays(sentence, quotes, known=["Who was at Hook Head?"])


@pytest.mark.parametrize(("sentence", "quotes"), STRAYING)
def test_a_sentence_that_its_quotes_merely_accompany_strays(sentence: str, quotes: list[str]) -> None:
    assert strays(sentence, quotes, known=["What does the lighthouse keeper count?"])


def test_a_quote_bears_itself_out() -> None:
    for quote in (KEEPER, "Ask Orion's keeper.", "Don't ask d'Artagnan, it isn't A-1 (O'Neill’s)."):
        assert not strays(quote, [quote])


def test_the_share_is_of_content_words() -> None:
    assert share_of_words("The keeper counts the whales.", KEEPER) == pytest.approx(2 / 3)
    assert share_of_words("It is.", KEEPER) == 1.0
    assert 0 < LEAST_SHARE < 0.5


def test_a_true_quote_does_not_carry_another_sentence(talk: Talk) -> None:
    talk.world.ingest("alice/keeper.pdf", document(KEEPER))
    quote = [{"passage": 1, "quote": KEEPER}]
    said = ["The keeper counts the ships.", "The password of the account is hunter."]
    talk.use_model(lambda asked: {"sentences": [{"text": text, "citations": quote} for text in said]})
    answer = talk.answer(talk.begin(), "What does the lighthouse keeper count?")
    assert (answer["content"], answer["dropped"]) == ("The keeper counts the ships.", 1)
