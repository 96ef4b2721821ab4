"""Ask a question in a conversation: store it together with a run that answers it, and try to answer it at once.

The request works on the run as long as it has time. After a crash, with a slow model or an unavailable provider, the
runner takes the run over: no question stays without a run.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING
from uuid import UUID, uuid5

from msgspec import Struct

from chalicelib.errors import Conflict, Unavailable
from chalicelib.model.chat.messages import StoredMessage
from chalicelib.model.search.filters import Filters
from chalicelib.model.usage.usage import Owner
from chalicelib.model.work.tasks import Claim, StoredRun
from chalicelib.ops.chat.answer import (
    HISTORY_MESSAGES,
    Answered,
    Models,
    Question,
    answer_question,
)
from chalicelib.ops.chat.conversations import MAX_MESSAGES, checked_id
from chalicelib.ops.chat.model_calls import MODEL_LEAST_S
from chalicelib.ops.work.engine import Finish, Finished, TimeUp, run_task
from chalicelib.ops.work.wake import wake_later
from chalicelib.stores.chat import citations, conversations, messages
from chalicelib.stores.library import collections, items
from chalicelib.stores.postgres.tx import Tx
from chalicelib.stores.work import tasks

if TYPE_CHECKING:
    from chalicelib.stores.aws.bus import Bus
    from chalicelib.stores.aws.queues import Queues
    from chalicelib.stores.postgres.postgres import Database

REQUEST_LEASE_S = 35  # longer than the API's timeout


class Asked(Struct, frozen=True, kw_only=True):
    """A question to a conversation, limited to a collection or to items when one of them is given."""

    conversation_id: str
    content: str
    collection_id: str | None = None
    item_ids: tuple[str, ...] | None = None


def queue_answer(user_id: str, run_id: str, asked: Asked, *, is_woken: bool, db: "Database") -> None:
    """Store the question with the run that answers it, once for each run id.

    `is_woken`: the caller answers it itself, with answer_now. Raise NotFound, naming the missing ids, and Conflict when
    the conversation is full.
    """
    conversation_id = checked_id(asked.conversation_id)
    question_id = _derived(run_id, "question")
    input = {"conversation_id": conversation_id, "question_id": question_id}

    def write(tx: Tx) -> None:
        conversations.lock(tx, user_id, conversation_id)
        if not tasks.insert_run(tx, user_id, run_id, kind="answer", input=input, is_woken=is_woken):
            return
        _require_scope(tx, user_id, asked)
        questions = messages.count_questions(tx, user_id, conversation_id)
        if questions >= MAX_MESSAGES // 2:  # every question may get an answer
            raise Conflict("This conversation is full; begin another.", code="conversation_full")
        messages.insert(
            tx,
            user_id,
            question_id,
            conversation_id=conversation_id,
            role="user",
            content=asked.content,
            collection_id=asked.collection_id,
            item_ids=asked.item_ids,
        )
        conversations.touch(tx, user_id, conversation_id)

    db.transact(user_id, write)


def owner_of_answer(user_id: str, run_id: str) -> Owner:
    """Return whom the calls of models for this run's answer are made for."""
    return Owner(user_id=user_id, run_id=run_id, message_id=_derived(run_id, "answer"))


def answer_now(
    user_id: str,
    run_id: str,
    *,
    db: "Database",
    bus: "Bus",
    queues: "Queues",
    models: Models,
    time_left_s: Callable[[], float],
) -> StoredRun:
    """Work on the run as long as there is time, and return it. The runner does the rest."""

    def work(claim: Claim) -> Finish:
        try:
            return work_out_answer(claim, db=db, models=models, time_left_s=time_left_s)
        except Unavailable as error:
            if time_left_s() < MODEL_LEAST_S:
                raise TimeUp("There was no time left; it is worked on.") from error
            raise

    task = db.transact(user_id, lambda tx: tasks.get_run(tx, user_id, run_id)).task(user_id)
    run_task(task, work, db=db, bus=bus, queues=queues, lease_s=REQUEST_LEASE_S, wake=wake_later)
    return db.transact(user_id, lambda tx: tasks.get_run(tx, user_id, run_id))


def work_out_answer(
    claim: Claim,
    *,
    db: "Database",
    models: Models,
    time_left_s: Callable[[], float],
) -> Finish:
    """Answer the run's question; return the function that stores the answer. Raise NotFound when it is deleted."""
    user_id = claim.user_id
    asked, question = db.transact(user_id, lambda tx: _read_question(tx, claim))
    answered = answer_question(question, db=db, models=models, time_left_s=time_left_s)
    return lambda tx: _write_answer(tx, claim, asked, answered)


def _read_question(tx: Tx, claim: Claim) -> tuple[StoredMessage, Question]:
    user_id = claim.user_id
    asked = messages.get(tx, user_id, claim.input["question_id"])
    history = messages.list_before(
        tx, user_id, asked.conversation_id, ordinal=asked.ordinal, limit=HISTORY_MESSAGES
    )
    filters = Filters(
        item_ids=tuple(asked.item_ids) if asked.item_ids is not None else None,
        collection_id=asked.collection_id,
    )
    return asked, Question(user_id=user_id, text=asked.content, filters=filters, history=tuple(history))


def _write_answer(tx: Tx, claim: Claim, asked: StoredMessage, answered: Answered) -> Finished:
    user_id, conversation_id = claim.user_id, asked.conversation_id
    message_id = _derived(claim.run, "answer")
    conversations.lock(tx, user_id, conversation_id)
    messages.insert(
        tx,
        user_id,
        message_id,
        conversation_id=conversation_id,
        role="assistant",
        content=answered.content,
        reply_to=asked.id,
        question=answered.question,
        outcome=answered.outcome,
        dropped=answered.dropped,
        missing=answered.missing,
        provider=answered.provider,
        model=answered.model,
        input_tokens=answered.input_tokens,
        output_tokens=answered.output_tokens,
        cached=answered.cached,
    )
    citations.insert_many(tx, user_id, message_id, answered.citations)
    conversations.touch(tx, user_id, conversation_id)
    return Finished(output={"conversation_id": conversation_id, "message_id": message_id})


def _require_scope(tx: Tx, user_id: str, asked: Asked) -> None:
    if asked.collection_id is not None:
        collections.get(tx, user_id, asked.collection_id, field="collection_id")
    if asked.item_ids:
        items.require_all(tx, user_id, asked.item_ids, field="item_ids")


def _derived(run_id: str, what: str) -> str:
    """Return the message id of the run's question or answer; it is the same each time the run is worked on."""
    return str(uuid5(UUID(run_id), what))
