"""Routes of concepts: list them with how far a learner is, read and delete them."""

from typing import Annotated

from msgspec import Meta

from chalicelib import wiring
from chalicelib.api.http.routes import Query, Request, Routes
from chalicelib.api.practice.shapes import Concept, ConceptList, concept_of
from chalicelib.ops.practice import manage

routes = Routes("concepts")
StudentId = Annotated[str, Meta(min_length=1, max_length=200)]


class ReadConcept(Query, frozen=True, kw_only=True):
    """`student_id`: the learner whose answers count; without it those of all."""

    student_id: StudentId | None = None


class ListConcepts(ReadConcept, frozen=True, kw_only=True):
    limit: Annotated[int, Meta(ge=1, le=100)] = 20
    after: Annotated[str, Meta(min_length=1, max_length=400)] | None = None


@routes.get(
    "/api/v1/concepts",
    query=ListConcepts,
    returns=ConceptList,
    summary="List the concepts that are practised, newest first, with how well they are mastered.",
)
def list_concepts(request: Request) -> ConceptList:
    query: ListConcepts = request.query
    rows, cursor = manage.list_concepts(
        request.user_id,
        student_id=query.student_id,
        after=query.after,
        limit=query.limit,
        db=wiring.database(),
    )
    return ConceptList(data=[concept_of(row) for row in rows], has_more=cursor is not None, next=cursor)


@routes.get(
    "/api/v1/concepts/{concept_id}",
    query=ReadConcept,
    returns=Concept,
    summary="Read a concept with how well it is mastered.",
)
def get_concept(request: Request) -> Concept:
    found = manage.read_concept(*_place(request), student_id=request.query.student_id, db=wiring.database())
    return concept_of(found)


@routes.delete(
    "/api/v1/concepts/{concept_id}", summary="Delete a concept with its exercises and their evaluations."
)
def delete_concept(request: Request) -> None:
    manage.delete_concept(*_place(request), db=wiring.database())


def _place(request: Request) -> tuple[str, str]:
    return request.user_id, request.path["concept_id"]
