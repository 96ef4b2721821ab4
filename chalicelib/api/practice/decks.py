"""Routes of decks: make, list, rename, fill and delete them."""

from datetime import UTC, datetime
from typing import Annotated, Literal

import msgspec
from msgspec import Meta
from msgspec.structs import asdict

from chalicelib import wiring
from chalicelib.api.http.fields import UniqueName
from chalicelib.api.http.routes import Body, ListQuery, Request, Response, Routes
from chalicelib.api.practice.shapes import ExerciseList, exercise_of
from chalicelib.errors import Conflict, NotFound
from chalicelib.model.practice.decks import StoredDeck
from chalicelib.ops.practice import decks

routes = Routes("decks")
ExerciseId = Annotated[str, Meta(min_length=1, max_length=64)]


class Deck(msgspec.Struct, frozen=True, kw_only=True):
    """A named list of exercises. `updated_at`: of its name, or of what was put in or taken out last."""

    object: Literal["deck"] = "deck"
    id: str
    name: str
    exercise_count: int
    created_at: datetime
    updated_at: datetime


class DeckList(msgspec.Struct, frozen=True, kw_only=True):
    object: Literal["list"] = "list"
    data: list[Deck]
    has_more: bool
    next: str | None


class NewDeck(Body, frozen=True, kw_only=True):
    name: UniqueName


class DeckChange(Body, frozen=True, kw_only=True):
    name: UniqueName


class AddedExercises(Body, frozen=True, kw_only=True):
    exercise_ids: Annotated[list[ExerciseId], Meta(min_length=1, max_length=100)]


@routes.post(
    "/api/v1/decks",
    body=NewDeck,
    returns=Deck,
    status=201,
    errors=(Conflict,),
    keyed=True,
    summary="Make a deck.",
)
def create_deck(request: Request) -> Response:
    made = decks.create_deck(
        request.user_id, str(request.creation_id), name=request.body.name, db=wiring.database()
    )
    return Response(_deck(made), headers={"Location": f"/api/v1/decks/{made.id}"})


@routes.get("/api/v1/decks", query=ListQuery, returns=DeckList, summary="List decks, newest first.")
def list_decks(request: Request) -> DeckList:
    query: ListQuery = request.query
    found, cursor = decks.list_decks(
        request.user_id, after=query.after, limit=query.limit, db=wiring.database()
    )
    return DeckList(data=[_deck(each) for each in found], has_more=cursor is not None, next=cursor)


@routes.get("/api/v1/decks/{deck_id}", returns=Deck, summary="Read a deck.")
def get_deck(request: Request) -> Deck:
    return _deck(decks.read_deck(*_which(request), db=wiring.database()))


@routes.patch(
    "/api/v1/decks/{deck_id}",
    body=DeckChange,
    returns=Deck,
    errors=(NotFound, Conflict),
    summary="Give a deck another name.",
)
def change_deck(request: Request) -> Deck:
    return _deck(decks.rename_deck(*_which(request), request.body.name, db=wiring.database()))


@routes.delete(
    "/api/v1/decks/{deck_id}",
    errors=(NotFound,),
    summary="Delete a deck; its exercises stay, and those that were reviewed stay due.",
)
def delete_deck(request: Request) -> None:
    decks.delete_deck(*_which(request), db=wiring.database())


@routes.post(
    "/api/v1/decks/{deck_id}/exercises",
    body=AddedExercises,
    returns=Deck,
    errors=(NotFound,),
    keyed=True,
    summary="Put exercises into a deck: all of them, or none when one does not exist. They become due.",
)
def add_deck_exercises(request: Request) -> Deck:
    filled = decks.add_exercises(
        *_which(request), request.body.exercise_ids, now=datetime.now(UTC), db=wiring.database()
    )
    return _deck(filled)


@routes.get(
    "/api/v1/decks/{deck_id}/exercises",
    query=ListQuery,
    returns=ExerciseList,
    errors=(NotFound,),
    summary="List a deck's exercises, in the order in which they were added.",
)
def list_deck_exercises(request: Request) -> ExerciseList:
    query: ListQuery = request.query
    found, cursor = decks.list_exercises(
        *_which(request), after=query.after, limit=query.limit, db=wiring.database()
    )
    return ExerciseList(data=[exercise_of(row) for row in found], has_more=cursor is not None, next=cursor)


@routes.delete(
    "/api/v1/decks/{deck_id}/exercises/{exercise_id}",
    errors=(NotFound,),
    summary="Take an exercise out of a deck; the exercise itself stays.",
)
def remove_deck_exercise(request: Request) -> None:
    decks.remove_exercise(*_which(request), request.path["exercise_id"], db=wiring.database())


def _which(request: Request) -> tuple[str, str]:
    return request.user_id, request.path["deck_id"]


def _deck(stored: StoredDeck) -> Deck:
    return Deck(**asdict(stored))
