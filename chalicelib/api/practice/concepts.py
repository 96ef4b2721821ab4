"""Routes of concepts: list them with how far a learner is, read and delete them."""

from typing import Annotated

from msgspec import Meta

from chalicelib import wiring
from chalicelib.api.http.routes import ListQuery, Query, Request, Routes
from chalicelib.api.practice.concept_shapes import Concept, ConceptList, concept_of, found_concept_of
from chalicelib.api.search.search import ItemId
from chalicelib.errors import NotFound
from chalicelib.ops.practice import manage

routes = Routes("concepts")
StudentId = Annotated[str, Meta(min_length=1, max_length=200)]


class ReadConcept(Query, frozen=True, kw_only=True):
    """`student_id`: the learner whose answers count; without it those of all."""

    student_id: StudentId | None = None


class ListConcepts(ListQuery, frozen=True, kw_only=True):
    """`student_id`: see ReadConcept. `item_id` or `collection_id`: the concepts of these documents, on one page."""

    student_id: StudentId | None = None
    item_id: ItemId | None = None
    collection_id: Annotated[str, Meta(min_length=1, max_length=64)] | None = None


@routes.get(
    "/api/v1/concepts",
    query=ListConcepts,
    returns=ConceptList,
    errors=(NotFound,),
    summary="List the concepts that are practised, newest first; or those that an item or a collection is about.",
)
def list_concepts(request: Request) -> ConceptList:
    query: ListConcepts = request.query
    if query.item_id is not None or query.collection_id is not None:
        found = manage.find_concepts(
            request.user_id,
            item_id=query.item_id,
            collection_id=query.collection_id,
            student_id=query.student_id,
            limit=query.limit,
            db=wiring.database(),
        )
        return ConceptList(data=[found_concept_of(*each) for each in found], has_more=False, next=None)
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
