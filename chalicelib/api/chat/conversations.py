"""Routes of conversations: begin, list, read, name, delete and export them; ask a question, list messages."""

from datetime import datetime
from time import monotonic
from typing import Annotated, Literal

import msgspec
from msgspec import Meta
from msgspec.structs import asdict

from chalicelib import wiring
from chalicelib.api.chat.messages import Message, message_of
from chalicelib.api.chat.runs import Run, run_of
from chalicelib.api.http.routes import Body, ListQuery, Query, Request, Response, Routes
from chalicelib.api.search.search import ItemId
from chalicelib.errors import BudgetSpent, Conflict, TooLarge
from chalicelib.model.chat.conversations import StoredConversation
from chalicelib.ops.chat import answer, ask, conversations
from chalicelib.ops.jobs import runs
from chalicelib.ops.usage import meter as meters
from chalicelib.ops.work import wake

routes = Routes("conversations")
ANSWER_WITHIN_S = 22.0  # API Gateway ends a request after 29 s, and the answer must still be stored
Title = Annotated[str, Meta(max_length=200)]


class NewConversation(Body, frozen=True, kw_only=True):
    """A conversation to begin. An empty title stands for its first question."""

    title: Title = ""


class ConversationChanges(Body, frozen=True, kw_only=True):
    title: Title


class Conversation(msgspec.Struct, frozen=True, kw_only=True):
    """A conversation. `updated_at` is the time of its last message."""

    object: Literal["conversation"] = "conversation"
    id: str
    title: str
    message_count: int
    created_at: datetime
    updated_at: datetime


class ConversationList(msgspec.Struct, frozen=True, kw_only=True):
    object: Literal["list"] = "list"
    data: list[Conversation]
    has_more: bool
    next: str | None


class MessageList(msgspec.Struct, frozen=True, kw_only=True):
    object: Literal["list"] = "list"
    data: list[Message]
    has_more: bool
    next: str | None


class NewMessage(Body, frozen=True, kw_only=True):
    """A question to the items of a collection, to the items named, or to all items."""

    content: Annotated[str, Meta(min_length=1, max_length=4000, pattern=r"\S")]
    collection_id: Annotated[str, Meta(min_length=1, max_length=64)] | None = None
    item_ids: Annotated[list[ItemId], Meta(min_length=1, max_length=1000)] | None = None


class ListMessages(Query, frozen=True, kw_only=True):
    limit: Annotated[int, Meta(ge=1, le=100)] = 50
    after: Annotated[int, Meta(ge=0, le=2**31 - 1)] = 0


def _conversation(stored: StoredConversation) -> Conversation:
    return Conversation(**asdict(stored))


@routes.post(
    "/api/v1/conversations",
    body=NewConversation,
    returns=Conversation,
    status=201,
    keyed=True,
    summary="Begin a conversation.",
)
def create_conversation(request: Request) -> Response:
    made = conversations.begin_conversation(
        request.user_id, str(request.creation_id), title=request.body.title, db=wiring.database()
    )
    return Response(_conversation(made), headers={"Location": f"/api/v1/conversations/{made.id}"})


@routes.get(
    "/api/v1/conversations",
    query=ListQuery,
    returns=ConversationList,
    summary="List conversations, the last updated first.",
)
def list_conversations(request: Request) -> ConversationList:
    query: ListQuery = request.query
    rows, cursor = conversations.list_conversations(
        request.user_id, after=query.after, limit=query.limit, db=wiring.database()
    )
    return ConversationList(
        data=[_conversation(row) for row in rows], has_more=cursor is not None, next=cursor
    )


@routes.get("/api/v1/conversations/{conversation_id}", returns=Conversation, summary="Read a conversation.")
def get_conversation(request: Request) -> Conversation:
    return _conversation(conversations.read_conversation(*_place(request), db=wiring.database()))


@routes.patch(
    "/api/v1/conversations/{conversation_id}",
    body=ConversationChanges,
    returns=Conversation,
    summary="Name a conversation. With an empty title its first question is shown.",
)
def rename_conversation(request: Request) -> Conversation:
    named = conversations.name_conversation(*_place(request), request.body.title, db=wiring.database())
    return _conversation(named)


@routes.delete(
    "/api/v1/conversations/{conversation_id}", summary="Delete a conversation with all its messages."
)
def delete_conversation(request: Request) -> None:
    conversations.delete_conversation(*_place(request), db=wiring.database())


@routes.get(
    "/api/v1/conversations/{conversation_id}/export",
    returns="text/markdown; charset=utf-8",
    errors=(TooLarge,),
    summary="Export a conversation as Markdown with its citations as footnotes.",
)
def export_conversation(request: Request) -> Response:
    text = conversations.export_conversation(*_place(request), db=wiring.database())
    return Response(text, headers={"Content-Disposition": 'attachment; filename="conversation.md"'})


@routes.get(
    "/api/v1/conversations/{conversation_id}/messages",
    query=ListMessages,
    returns=MessageList,
    summary="List a conversation's messages, oldest first.",
)
def list_messages(request: Request) -> MessageList:
    query: ListMessages = request.query
    found, cursor = conversations.list_messages(
        *_place(request), after=query.after, limit=query.limit, db=wiring.database()
    )
    return MessageList(
        data=[message_of(message) for message in found], has_more=cursor is not None, next=cursor
    )


@routes.post(
    "/api/v1/conversations/{conversation_id}/messages",
    body=NewMessage,
    returns=Message,
    status=201,
    also={202: Run},
    errors=(BudgetSpent, Conflict),
    keyed=True,
    may_run=True,
    cost="costly",
    summary="Ask a question and get the answer, or 202 with a run if it takes longer than a request may.",
)
def create_message(request: Request) -> Response | Message:
    give_up_at = monotonic() + ANSWER_WITHIN_S
    models = answer.Models(
        embedder=wiring.embedder(),
        reranker=wiring.reranker(),
        chat=wiring.chat_model(),
        judge=wiring.judge(),
    )
    db, queues = wiring.database(), wiring.queues()
    user_id, run_id, is_async = request.user_id, str(request.creation_id), _prefers_async(request)
    meter = meters.Meter(ask.owner_of_answer(user_id, run_id), db=db, budgets=wiring.settings().budgets)
    models.require_room(meter)
    ask.queue_answer(user_id, run_id, _asked(request), is_woken=not is_async, db=db)
    if is_async:
        wake.wake_later(user_id, db=db, queues=queues)
        return _accepted(user_id, run_id, {"Preference-Applied": "respond-async"})
    run = ask.answer_now(
        user_id,
        run_id,
        db=db,
        bus=wiring.bus(),
        queues=queues,
        models=models.metered(meter),
        time_left_s=lambda: give_up_at - monotonic(),
    )
    found = conversations.find_answer(user_id, run.output, db=db) if run.output else None
    return message_of(found) if found else _accepted(user_id, run_id, {})


def _asked(request: Request) -> "ask.Asked":
    body: NewMessage = request.body
    return ask.Asked(
        conversation_id=request.path["conversation_id"],
        content=body.content,
        collection_id=body.collection_id,
        item_ids=tuple(body.item_ids) if body.item_ids is not None else None,
    )


def _accepted(user_id: str, run_id: str, headers: dict[str, str]) -> Response:
    run, _ = runs.read_run(user_id, run_id, db=wiring.database())
    return Response(run_of(run), status=202, headers={"Location": f"/api/v1/runs/{run.id}", **headers})


def _prefers_async(request: Request) -> bool:
    """Return whether the client prefers a run. RFC 7240: commas separate preferences, which may have parameters."""
    given = request.headers.get("prefer", "").split(",")
    return any(each.partition(";")[0].strip().lower() == "respond-async" for each in given)


def _place(request: Request) -> tuple[str, str]:
    return request.user_id, request.path["conversation_id"]
