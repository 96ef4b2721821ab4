"""Table of the kinds of runs, and the op that does each."""

from collections.abc import Callable, Mapping

from chalicelib import wiring
from chalicelib.errors import InvalidInput
from chalicelib.model.work.runs import RunClaim
from chalicelib.ops.chat import ask
from chalicelib.ops.chat.answer import Models
from chalicelib.ops.work.runs import WriteOutput

TimeLeft = Callable[[], float]


def work_on(claim: RunClaim, time_left_s: TimeLeft) -> WriteOutput:
    """Work on a run of whatever kind; what writes its results."""
    if claim.kind not in WORK:
        raise InvalidInput("This release knows no run of this kind.", code="unknown_kind")
    return WORK[claim.kind](claim, time_left_s)


def _answer(claim: RunClaim, time_left_s: TimeLeft) -> WriteOutput:
    models = Models(embedder=wiring.embedder(), reranker=wiring.reranker(), chat=wiring.chat_model())
    return ask.work_out_answer(claim, db=wiring.pipeline_database(), models=models, time_left_s=time_left_s)


WORK: Mapping[str, Callable[[RunClaim, TimeLeft], WriteOutput]] = {"answer": _answer}
