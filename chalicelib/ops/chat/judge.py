"""Has a chat model judge whether each sentence of an answer is borne out by its quotes: JUDGE_ANSWERS=true.

It sees only what the rule has kept (ops/chat/verify.py), and can only take more away. What it does not say, or says too
late, is the rule's to decide.
"""

import json
import logging
from collections.abc import Callable, Sequence

from msgspec import Struct

from chalicelib.errors import BudgetSpent, ModelRefused, Unavailable
from chalicelib.model.chat.answers import Checked, Citation, without
from chalicelib.model.ingest.chunking import estimate_tokens
from chalicelib.ops.chat.model_calls import ModelCalls
from chalicelib.ops.usage.memory import Memory
from chalicelib.providers import ChatModel

log = logging.getLogger("collections.chat")
JUDGED_WITHIN_S, KEPT_S = 10.0, 1.0
MOST_JUDGED_TOKENS = 6_000  # of a prompt; quotes of the passages that were sent are seldom half of it
VERDICT_TOKENS = 512
UNSUPPORTED = "unsupported"


class Verdict(Struct, frozen=True, kw_only=True):
    sentence: int
    verdict: str


class Verdicts(Struct, frozen=True, kw_only=True):
    verdicts: tuple[Verdict, ...]


def judge_calls(judge: ChatModel, time_left_s: Callable[[], float], *, memory: Memory | None) -> ModelCalls:
    """Return the judge's calls, which leave time to store the answer."""
    return ModelCalls(judge, lambda: min(JUDGED_WITHIN_S, time_left_s() - KEPT_S), memory=memory)


def drop_unsupported(checked: Checked, question: str, calls: ModelCalls) -> Checked:
    """Return the answer without the sentences that the model finds unsupported; as it is if the model fails."""
    spans = list(dict.fromkeys((each.answer_start, each.answer_end) for each in checked.citations))
    prompt = _prompt(question, checked, spans)
    if estimate_tokens(prompt) > MOST_JUDGED_TOKENS:
        log.warning("answer not judged", extra={"error": "too_long"})
        return checked
    try:
        said = calls.judge(prompt, Verdicts, max_tokens=VERDICT_TOKENS)
    except (BudgetSpent, ModelRefused, Unavailable) as error:
        log.warning("answer not judged", extra={"error": error.code})
        return checked
    numbers = {each.sentence for each in said.verdicts if each.verdict == UNSUPPORTED}
    return without(checked, {span for number, span in enumerate(spans, 1) if number in numbers})


def _prompt(question: str, checked: Checked, spans: Sequence[tuple[int, int]]) -> str:
    """Return the prompt as JSON: a text cannot end its own string and pass for another part."""
    sentences = [
        {"number": number, "text": checked.content[slice(*span)], "quotes": _quotes(checked.citations, span)}
        for number, span in enumerate(spans, 1)
    ]
    return json.dumps({"question": question, "sentences": sentences}, ensure_ascii=False)


def _quotes(citations: Sequence[Citation], span: tuple[int, int]) -> list[str]:
    return [each.quote for each in citations if (each.answer_start, each.answer_end) == span]
