"""Find the texts that exercises are made from: about a concept, of items, of a collection, or given."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from msgspec import Struct

from chalicelib.errors import NotFound
from chalicelib.model.practice.exercises import Excerpt, StoredExercise
from chalicelib.model.search.filters import Filters
from chalicelib.model.search.ranking import is_relevant
from chalicelib.ops.search.passages import Passage, find_passages
from chalicelib.providers import Embedder
from chalicelib.stores.chat import citations
from chalicelib.stores.postgres.tx import Tx
from chalicelib.stores.practice import texts

if TYPE_CHECKING:
    from chalicelib.stores.postgres.postgres import Database

PASSAGE_TOKENS, MANY_PASSAGE_TOKENS = 2_000, 6_000  # for one exercise, for more
MAX_PAGES = 40
MAX_LABELLED = 200  # images whose labels are compared
GIVEN = "given"
REACH_CHARS = 1_500  # of the page, before and behind a quote


class Sources(Struct, frozen=True, kw_only=True):
    """Conditions on the texts; None sets no condition. `pages` are the first and the last.

    `text` is given with the request, and then everything else is None; `title` names it.
    """

    item_ids: tuple[str, ...] | None = None
    collection_id: str | None = None
    pages: tuple[int, int] | None = None
    text: str | None = None
    title: str = ""


def find_excerpts(
    user_id: str,
    sources: Sources,
    phrase: str,
    *,
    seed: str,
    is_many: bool,
    db: "Database",
    embedder: Embedder,
) -> list[Excerpt]:
    """Return the excerpts about a phrase; without a phrase pages of the items, chosen by the seed.

    Raise NotFound, coded "nothing_found", when there are none.
    """
    if sources.text is not None:
        return [_given(sources.text, sources.title)]
    if phrase:
        excerpts = _find_about(user_id, sources, phrase, is_many=is_many, db=db, embedder=embedder)
    else:
        excerpts = db.transact(user_id, lambda tx: _list_pages(tx, user_id, sources, seed))
    if not excerpts:
        raise NotFound(
            "Nothing in your documents is about this. Upload a document about it, or name the concept in its words."
            if phrase
            else "There is no text on these pages yet. An item has text when its status is READY.",
            code="nothing_found",
            field="concept_id" if phrase else "item_ids",
        )
    return excerpts


def read_labels(user_id: str, excerpts: Sequence[Excerpt], *, db: "Database") -> dict[str, list[str]]:
    """Return the labels of the user's images, by item; none when no excerpt is of an image."""
    if not any(excerpt.labels for excerpt in excerpts):
        return {}
    return db.transact(user_id, lambda tx: texts.list_labels(tx, user_id, limit=MAX_LABELLED))


def read_excerpts(tx: Tx, user_id: str, passages: Sequence[Passage]) -> list[Excerpt]:
    """Return the passages as they are stored now; one whose item is gone is left out."""
    windows = [
        citations.Window(
            item_id=each.item_id, page=each.page, source=each.source, start=each.char_start, end=each.char_end
        )
        for each in passages
    ]
    stored = citations.list_texts(tx, user_id, windows)
    pictures = {each.item_id for each in passages if each.kind == "image"}
    labels = texts.list_labels(tx, user_id, limit=MAX_LABELLED) if pictures else {}
    return [
        Excerpt(
            item_id=each.item_id,
            item_name=each.name,
            item_sha256=text.sha256,
            source=each.source,
            page=each.page,
            start=text.start,
            text=text.text,
            labels=tuple(labels.get(each.item_id, ())) if each.item_id in pictures else (),
        )
        for each, text in zip(passages, stored, strict=True)
        if text is not None
    ]


def _find_about(
    user_id: str, sources: Sources, phrase: str, *, is_many: bool, db: "Database", embedder: Embedder
) -> list[Excerpt]:
    first, last = sources.pages or (None, None)
    found = find_passages(
        user_id,
        phrase,
        filters=Filters(
            item_ids=sources.item_ids, collection_id=sources.collection_id, first_page=first, last_page=last
        ),
        max_tokens=MANY_PASSAGE_TOKENS if is_many else PASSAGE_TOKENS,
        db=db,
        embedder=embedder,
    )
    near = [
        passage
        for passage in found.passages
        if is_relevant(
            semantic_score=passage.semantic_score,
            coverage=passage.coverage,
            model=found.model,
            query=found.query,
        )
    ]
    return db.transact(user_id, lambda tx: read_excerpts(tx, user_id, near)) if near else []


def _list_pages(tx: Tx, user_id: str, sources: Sources, seed: str) -> list[Excerpt]:
    return texts.list_pages(
        tx,
        user_id,
        item_ids=sources.item_ids,
        collection_id=sources.collection_id,
        pages=sources.pages,
        seed=seed,
        limit=MAX_PAGES,
    )


def _given(text: str, title: str) -> Excerpt:
    return Excerpt(item_id="", item_name=title, item_sha256=None, source=GIVEN, page=1, start=0, text=text)


def read_source(tx: Tx, user_id: str, exercise: StoredExercise) -> Excerpt:
    """Return what stands around the quote of an exercise that is not stale."""
    if exercise.passage is not None:
        return _excerpt(
            exercise, sha256=None, start=max(0, exercise.page_start - REACH_CHARS), text=exercise.passage
        )
    window = citations.Window(
        item_id=exercise.item_id,
        page=exercise.page,
        source=exercise.source,
        start=exercise.page_start - REACH_CHARS,
        end=exercise.page_end + REACH_CHARS,
    )
    (stored,) = citations.list_texts(tx, user_id, [window])
    assert stored is not None  # an exercise that is not stale has its text
    return _excerpt(exercise, sha256=stored.sha256, start=stored.start, text=stored.text)


def _excerpt(exercise: StoredExercise, *, sha256: str | None, start: int, text: str) -> Excerpt:
    return Excerpt(
        item_id=exercise.item_id,
        item_name=exercise.item_name,
        item_sha256=sha256,
        source=exercise.source,
        page=exercise.page,
        start=start,
        text=text,
    )
