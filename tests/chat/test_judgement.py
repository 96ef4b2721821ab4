"""JUDGE_ANSWERS=true: a model judges what the rule has kept, is paid for, and overrules no refusal of the rule."""

from collections.abc import Callable
from typing import Any

import pytest

from chalicelib.model.chat.answers import Checked, Citation, without
from tests.support.talking import Talk, document

KEEPER = "The lighthouse keeper counts the ships every evening."
QUESTION = "What does the lighthouse keeper count?"
TRUE, ADDED, STRAY = (
    "The keeper counts the ships.",
    "The keeper counts the ships and the whales every evening.",  # the rule lets it through
    "The password of the account is hunter.",  # the rule does not
)
QUOTE = [{"passage": 1, "quote": KEEPER}]
ALL_GOOD = [{"sentence": n, "verdict": "supported"} for n in range(1, 9)]


class Judged:
    """A model that writes three sentences, and judges as it is told; what it was asked to judge is kept."""

    def __init__(self, talk: Talk, verdicts: Callable[[Any], Any]) -> None:
        self.asked: list[Any] = []

        def chat(asked: Any) -> Any:
            if "passages" in asked:
                return {"sentences": [{"text": text, "citations": QUOTE} for text in (TRUE, ADDED, STRAY)]}
            self.asked.append(asked)
            return verdicts(asked)

        talk.world.ingest("alice/keeper.pdf", document(KEEPER))
        talk.monkeypatch.setenv("JUDGE_ANSWERS", "true")
        talk.use_model(chat)


def said_of(text: str, verdict: str) -> Callable[[Any], Any]:
    def verdicts(asked: Any) -> Any:
        numbers = [each["number"] for each in asked["sentences"] if each["text"] == text]
        return {"verdicts": [{"sentence": number, "verdict": verdict} for number in numbers]}

    return verdicts


def test_what_the_model_finds_unsupported_is_dropped(talk: Talk) -> None:
    judged = Judged(talk, said_of(ADDED, "unsupported"))
    answer = talk.answer(talk.begin(), QUESTION)
    assert (answer["content"], answer["dropped"]) == (TRUE, 2)
    (asked,) = judged.asked
    assert asked["question"] == QUESTION
    assert asked["sentences"] == [
        {"number": 1, "text": TRUE, "quotes": [KEEPER]},
        {"number": 2, "text": ADDED, "quotes": [KEEPER]},
    ]
    rows = talk.world.sql("SELECT operation FROM usage_ledger WHERE operation IN ('chat', 'judging')")
    assert rows == [], "a model of one's own without a key costs nothing"
    assert (answer["input_tokens"], answer["output_tokens"]) == (22, 14), "both calls count"


def test_the_model_overrules_no_refusal_of_the_rule(talk: Talk) -> None:
    judged = Judged(talk, lambda asked: {"verdicts": ALL_GOOD})
    answer = talk.answer(talk.begin(), QUESTION)
    assert (answer["content"], answer["dropped"]) == (f"{TRUE} {ADDED}", 1)
    assert STRAY not in str(judged.asked)


def test_nothing_is_left_when_everything_is_unsupported(talk: Talk) -> None:
    Judged(talk, lambda asked: {"verdicts": [{"sentence": n, "verdict": "unsupported"} for n in (1, 2)]})
    answer = talk.answer(talk.begin(), QUESTION)
    assert (answer["outcome"], answer["citations"], answer["dropped"]) == ("nothing_verified", [], 3)


@pytest.mark.parametrize(
    "verdicts",
    [
        "I think all is well.",
        {"verdicts": [{"sentence": 2, "verdict": "doubtful"}]},
        {"choices": [{"finish_reason": "stop", "message": {"role": "assistant", "refusal": "No."}}]},
        {"verdicts": []},
    ],
    ids=["no JSON", "no such verdict", "refusal", "nothing said"],
)
def test_the_rule_alone_decides_when_the_model_fails(talk: Talk, verdicts: Any) -> None:
    Judged(talk, lambda asked: verdicts)
    answer = talk.answer(talk.begin(), QUESTION)
    assert (answer["outcome"], answer["content"]) == ("answered", f"{TRUE} {ADDED}")


def test_the_rule_alone_decides_when_the_model_is_away(talk: Talk) -> None:
    def away(asked: Any) -> Any:
        talk.world.providers.fail_chat_with += [400] * 3
        return "first no JSON, then nothing but errors"

    Judged(talk, away)
    answer = talk.answer(talk.begin(), QUESTION)
    assert (answer["outcome"], answer["content"]) == ("answered", f"{TRUE} {ADDED}")


def test_a_call_to_judge_is_charged_and_not_made_twice(talk: Talk) -> None:
    judged = Judged(talk, said_of(ADDED, "unsupported"))
    talk.monkeypatch.setenv("OPENAI_API_KEY", "sk-of-the-tests")
    talk.use_model(talk.world.providers.chat)
    place = talk.begin()
    answers = [talk.answer(place, QUESTION), talk.answer(talk.begin(), QUESTION)]
    assert [(each["content"], each["cached"]) for each in answers] == [(TRUE, False), (TRUE, True)]
    assert len(judged.asked) == 1
    rows = talk.world.sql(
        "SELECT operation, input_tokens, output_tokens FROM usage_ledger WHERE operation <> 'embed' ORDER BY id"
    )
    assert rows == [("chat", 11, 7), ("judging", 11, 7)]


def test_without_the_setting_no_model_judges(talk: Talk) -> None:
    judged = Judged(talk, said_of(ADDED, "unsupported"))
    talk.monkeypatch.delenv("JUDGE_ANSWERS")
    talk.use_model(talk.world.providers.chat)
    assert talk.answer(talk.begin(), QUESTION)["content"] == f"{TRUE} {ADDED}"
    assert judged.asked == []


def test_sentences_that_stay_have_their_citations_at_their_new_places() -> None:
    def cited(start: int, end: int, quote: str) -> Citation:
        return Citation(
            item_id="a", item_sha256=None, item_name="a.pdf", source="text", page=1, quote=quote,
            page_start=0, page_end=1, answer_start=start, answer_end=end,
        )  # fmt: skip

    content = "One. Two. Three."
    checked = Checked(
        content=content,
        citations=(cited(0, 4, "1"), cited(5, 9, "2"), cited(10, 16, "3"), cited(10, 16, "3b")),
        dropped=1,
    )
    left = without(checked, {(5, 9)})
    assert (left.content, left.dropped) == ("One. Three.", 2)
    places = [(each.quote, left.content[each.answer_start : each.answer_end]) for each in left.citations]
    assert places == [("1", "One."), ("3", "Three."), ("3b", "Three.")]
