"""Answer a question from the user's items: find passages, ask the model or quote, check every quote.

The text that a model writes is never trusted and never executed. The model gets the question and the passages as one
JSON object, and its answer must fit a schema. A sentence stays when one of its quotes is found in the stored text of a
passage that the model was given.
"""

import json
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, TypeVar

from msgspec import Struct

from chalicelib.errors import ModelRefused, Unavailable
from chalicelib.model import prompts
from chalicelib.model.chat.answers import Checked, Citation, Draft, Rewritten, as_places
from chalicelib.model.chat.messages import Turn
from chalicelib.model.chat.outcomes import TEXT_WITHOUT_ANSWER, Outcome
from chalicelib.model.chat.questions import MAX_SEARCHED_CHARS, stand_alone
from chalicelib.model.ingest.chunking import most_tokens
from chalicelib.model.search.filters import Filters
from chalicelib.model.search.ranking import is_relevant
from chalicelib.model.text import UNSTORABLE
from chalicelib.ops.chat.judge import drop_unsupported, judge_calls
from chalicelib.ops.chat.model_calls import ModelCalls
from chalicelib.ops.chat.quoting import Quoted, quote_items
from chalicelib.ops.chat.verify import check_draft, read_evidence
from chalicelib.ops.search.passages import Passage, Passages, find_passages
from chalicelib.ops.usage.memory import Memory
from chalicelib.ops.usage.meter import Meter
from chalicelib.ops.usage.metered import (
    TOKENS_PER_ESTIMATED,
    MeteredChat,
    MeteredEmbedder,
    MeteredReranker,
    require_room,
)
from chalicelib.providers import ChatModel, Embedder, Reranker

if TYPE_CHECKING:
    from chalicelib.stores.postgres.postgres import Database

T = TypeVar("T")
PASSAGE_TOKENS, MODEL_PASSAGE_TOKENS = 1_024, 3_000
ANSWER_TOKENS, QUESTION_TOKENS = 2_048, 256
HISTORY_MESSAGES, HISTORY_TOKENS = 10, 2_000
NO_REWRITING = {"model_cut_off", "model_unusable"}  # a reasoning model may spend all its tokens on thinking


class Question(Struct, frozen=True, kw_only=True):
    """A question to the items that match `filters`. `history` has the earlier messages, oldest first."""

    user_id: str
    text: str
    filters: Filters
    history: tuple[Turn, ...] = ()


class Models(Struct, frozen=True, kw_only=True):
    """The models an answer may use, and earlier answers. Without `chat` an answer is made of sentences of the items.

    `judge` says which sentences of the checked answer their quotes do not bear out.
    """

    embedder: Embedder
    reranker: Reranker | None = None
    chat: ChatModel | None = None
    judge: ChatModel | None = None
    memory: Memory | None = None

    def require_room(self, meter: Meter) -> None:
        """Raise BudgetSpent unless the budgets have room now for an answer."""
        if self.chat:
            prompt = TOKENS_PER_ESTIMATED * (MODEL_PASSAGE_TOKENS + HISTORY_TOKENS)
            require_room(self.chat, meter, prompt_tokens=prompt, max_tokens=ANSWER_TOKENS)

    def metered(self, meter: Meter) -> "Models":
        """Return the same models, with their calls written to the ledger, and the owner's earlier answers."""
        return Models(
            embedder=MeteredEmbedder(self.embedder, meter),
            reranker=MeteredReranker(self.reranker, meter) if self.reranker else None,
            chat=MeteredChat(self.chat, meter) if self.chat else None,
            judge=MeteredChat(self.judge, meter, "judging") if self.judge else None,
            memory=meter.memory,
        )


class Answered(Struct, frozen=True, kw_only=True):
    """An answer to store. `question` is the text searched for; `model` is the embedder's without a chat model.

    `cached`: it is made of what the model wrote when it was asked the same before.
    """

    content: str
    outcome: Outcome
    question: str
    citations: tuple[Citation, ...]
    dropped: int
    missing: tuple[str, ...]
    provider: str
    model: str
    input_tokens: int
    output_tokens: int
    cached: bool


def answer_question(
    question: Question,
    *,
    db: "Database",
    models: Models,
    time_left_s: Callable[[], float],
) -> Answered:
    """Return the answer. Raise Unavailable when the model gives none in time, or one that does not fit the schema."""
    chat = models.chat
    calls = ModelCalls(chat, time_left_s, memory=models.memory) if chat else None
    judging = judge_calls(models.judge, time_left_s, memory=models.memory) if models.judge else None
    searched = _stand_alone(question, calls)
    found = find_passages(
        question.user_id,
        searched,
        filters=question.filters,
        max_tokens=MODEL_PASSAGE_TOKENS if calls else PASSAGE_TOKENS,
        db=db,
        embedder=models.embedder,
        reranker=models.reranker,
    )
    passages = found.passages if _is_relevant(found) else ()
    outcome: Outcome = "nothing_relevant"
    quoted: Quoted | None = None
    draft = Draft(sentences=())
    if passages and calls:
        try:
            draft = calls.draft(_prompt(searched, passages), max_tokens=ANSWER_TOKENS)
        except ModelRefused:
            outcome = "refused"
    elif not calls:
        quoted = quote_items(
            question.text,
            searched,
            found,
            user_id=question.user_id,
            db=db,
        )
        draft, passages = quoted.draft, quoted.sources
    checked = _check(draft, passages, question, db=db)
    if judging and checked.citations:
        checked = drop_unsupported(checked, question.text, judging)
    if draft.sentences:
        outcome = "answered" if checked.citations else "nothing_verified"
    if quoted and quoted.certainty == "possible" and checked.citations:
        outcome, checked = "nothing_certain", as_places(checked, TEXT_WITHOUT_ANSWER["nothing_certain"])
    if calls and outcome == "answered":
        calls.keep_draft()  # another one may be better, if it is asked for again
    return Answered(
        content=checked.content or TEXT_WITHOUT_ANSWER[outcome],
        outcome=outcome,
        question=searched,
        citations=checked.citations,
        dropped=checked.dropped,
        missing=found.missing,
        provider=calls.provider if calls else "extractive",
        model=calls.model if calls else models.embedder.model,
        input_tokens=sum(each.input_tokens for each in (calls, judging) if each),
        output_tokens=sum(each.output_tokens for each in (calls, judging) if each),
        cached=calls.is_cached if calls else False,
    )


def _check(draft: Draft, passages: Sequence[Passage], question: Question, *, db: "Database") -> Checked:
    """Return the checked draft. Figures may also come from the user's own words, not from the rewritten question."""
    if not draft.sentences:
        return Checked(content="", citations=(), dropped=0)
    user_id = question.user_id
    evidence = db.transact(user_id, lambda tx: read_evidence(tx, user_id, passages))
    return check_draft(draft, evidence, question=question.text)


def _stand_alone(question: Question, calls: ModelCalls | None) -> str:
    """Return the text to search for: the model's rewriting, or the one by words when the model gives none of use."""
    by_words = stand_alone(question.text, [turn.question for turn in question.history if turn.question])
    if calls is None or not question.history:
        return by_words
    history = [{"role": turn.role, "text": turn.content} for turn in _bounded(question.history)]
    prompt = json.dumps({"history": history, "question": question.text}, ensure_ascii=False)
    try:
        answer = calls.ask(prompts.REWRITING, prompt, prompts.QUESTION, Rewritten, QUESTION_TOKENS)
    except ModelRefused:
        return by_words
    except Unavailable as error:
        if error.code not in NO_REWRITING:
            raise
        return by_words
    rewritten = UNSTORABLE.sub("", answer.question).strip()
    return rewritten if 0 < len(rewritten) <= MAX_SEARCHED_CHARS else by_words


def _bounded(history: Sequence[Turn]) -> list[Turn]:
    """Return the last messages that fit into HISTORY_TOKENS, oldest first."""
    kept, room = list[Turn](), HISTORY_TOKENS
    for turn in reversed(history[-HISTORY_MESSAGES:]):
        room -= most_tokens(turn.content)
        if room < 0:
            break
        kept.append(turn)
    return kept[::-1]


def _prompt(question: str, passages: Sequence[Passage]) -> str:
    """Return the prompt as JSON: a text cannot end its own string and pass for another part."""
    given = [
        {"number": number, "name": passage.name, "page": passage.page, "text": passage.text}
        for number, passage in enumerate(passages, 1)
    ]
    return json.dumps({"question": question, "passages": given}, ensure_ascii=False)


def _is_relevant(found: Passages) -> bool:
    return any(
        is_relevant(
            semantic_score=each.semantic_score, coverage=each.coverage, model=found.model, query=found.query
        )
        for each in found.passages
    )
