"""Passages: joined neighbours, within a budget, best first, none twice; and whose they are."""

from typing import Any

import pytest

from chalicelib import wiring
from chalicelib.model.ingest.chunking import most_tokens
from chalicelib.model.library.page_text import join_chunks
from chalicelib.model.search.filters import Filters
from chalicelib.model.search.joining import MAX_GAP_CHARS
from chalicelib.ops.search.passages import Passages, find_passages
from tests.support.long_pdf import make_long_pdf
from tests.support.world import World, jpeg

FILLER = "\n".join(
    f"Line {n} speaks of nothing but number {n} and of the weather on that day." for n in range(20)
)
ANSWER = "The rent of the house in Tartu is due on the third day of each month, paid to the landlord."
AGAIN = "It is raised once a year by what the prices rose, and never by more than four in a hundred."


def find(
    world: World, query: str, *, user: str = "alice", max_tokens: int = 1024, **filters: Any
) -> Passages:
    return find_passages(
        user,
        query,
        filters=Filters(**filters),
        max_tokens=max_tokens,
        db=world.db,
        embedder=wiring.embedder(),
    )


@pytest.fixture
def report(world: World) -> None:
    pages = [FILLER, f"{FILLER}\n{ANSWER}\n{AGAIN}\n{FILLER}", FILLER.replace("weather", "harvest")]
    world.ingest("alice/report.pdf", make_long_pdf(pages))


def test_a_passage_is_what_the_page_has_between_its_offsets(report: None, world: World) -> None:
    found = find(world, "rent of the house in Tartu").passages
    rows = world.sql("SELECT page, char_start, text FROM chunks WHERE source = 'text'")
    pages = {n: join_chunks((start, text) for page, start, text in rows if page == n) for n in (1, 2, 3)}
    best = found[0]
    assert (best.item_id, best.name, best.kind, best.source) == ("report", "report.pdf", "pdf", "text")
    assert (best.page, best.coverage) == (2, 1.0)
    assert "Tartu" in best.text
    assert best.lexical_score is not None
    assert best.semantic_score is not None
    for passage in found:
        assert pages[passage.page][passage.char_start : passage.char_end] == passage.text
    assert [p.score for p in found] == sorted((p.score for p in found), reverse=True)


def test_neighbours_are_joined_on_their_page_only(report: None, world: World) -> None:
    best = find(world, "rent of the house in Tartu").passages[0]
    spans = world.sql("SELECT char_start, char_end FROM chunks WHERE source = 'text' AND page = 2 ORDER BY 1")
    inside = [span for span in spans if best.char_start <= span[0] and span[1] <= best.char_end]
    assert len(inside) >= 2
    assert (inside[0][0], inside[-1][1]) == (best.char_start, best.char_end)
    assert "harvest" not in best.text


def test_white_space_of_a_megabyte_is_not_joined_over(report: None, world: World) -> None:
    for gap, joined in ((MAX_GAP_CHARS // 2, True), (1_000_000, False)):
        world.sql(
            f"UPDATE chunks SET char_start = char_start + {gap}, char_end = char_end + {gap}"
            " WHERE source = 'text' AND page = 2 AND text NOT LIKE '%Tartu%'"
            " AND ordinal > (SELECT min(ordinal) FROM chunks WHERE text LIKE '%Tartu%')"
        )
        best = find(world, "rent of the house in Tartu").passages[0]
        assert len(best.text) == best.char_end - best.char_start < 10_000
        after = world.sql(
            "SELECT min(char_start) FROM chunks WHERE source = 'text' AND page = 2"
            " AND ordinal > (SELECT min(ordinal) FROM chunks WHERE text LIKE '%Tartu%')"
        )[0][0]
        assert (best.char_end > after) == joined, gap


def test_passages_fit_into_the_tokens_there_are(report: None, world: World) -> None:
    for room, least in ((0, 0), (20, 0), (200, 1), (400, 1), (100_000, 2)):
        found = find(world, "rent weather harvest", max_tokens=room).passages
        assert least <= len(found)
        assert sum(most_tokens(passage.text) for passage in found) <= room
        places = [(p.page, p.source, at) for p in found for at in range(p.char_start, p.char_end)]
        assert len(places) == len(set(places))


def test_a_copy_of_a_passage_is_left_out(world: World) -> None:
    for name in ("a", "b"):
        world.ingest(f"alice/{name}.pdf", make_long_pdf([f"{ANSWER}\n{AGAIN}\nSigned by {name}"]))
    texts = [passage.text for passage in find(world, "rent of the house in Tartu").passages]
    assert sum("Tartu" in text for text in texts) == 1


def test_filters_bound_passages_and_a_collection_that_is_gone_has_none(report: None, world: World) -> None:
    world.ingest("alice/tartu.jpg", jpeg())
    assert {p.item_id for p in find(world, "Tartu").passages} == {"report", "tartu"}
    assert {p.item_id for p in find(world, "Tartu", kinds=("image",)).passages} == {"tartu"}
    assert {p.page for p in find(world, "Tartu", first_page=2, last_page=2).passages} == {2}
    gone = find(world, "Tartu", collection_id="9f2d6c1e-0000-4000-8000-000000000000")
    assert (gone.passages, gone.missing) == ((), ())


def test_nobody_finds_anothers_passages(report: None, world: World) -> None:
    world.ingest("bob/garden.pdf", make_long_pdf([AGAIN]))
    assert {p.item_id for p in find(world, "rent of the house in Tartu", user="bob").passages} == {"garden"}
    assert find(world, "rent", user="bob", item_ids=("report",)).passages == ()
    assert find(world, "rent", user="nobody").passages == ()


def test_without_the_embedder_words_choose_the_passages(report: None, world: World) -> None:
    world.providers.fail_with = [503]
    found = find(world, "rent of the house in Tartu")
    assert found.missing == ("semantic",)
    assert "Tartu" in found.passages[0].text
    assert found.passages[0].semantic_score is None


def test_vectors_of_another_model_take_no_part(report: None, world: World) -> None:
    world.sql("UPDATE embedding_sets SET model = 'another'")
    found = find(world, "rent of the house in Tartu")
    assert (found.missing, found.passages[0].semantic_score) == (("semantic",), None)


def test_what_is_said_about_a_document_is_no_passage_of_it_and_of_a_picture_it_is(world: World) -> None:
    """The words are the files' names, and so in both captions."""
    world.ingest("alice/harbour festival.pdf", make_long_pdf([FILLER]))
    world.ingest("alice/harbour festival.jpg", jpeg())
    assert (
        len(world.sql("SELECT id FROM chunks WHERE source = 'caption' AND text ILIKE '%harbour festival%'"))
        == 2
    )
    found = find(world, "harbour festival").passages
    assert {(p.kind, p.source) for p in found} >= {("image", "caption")}
    assert ("pdf", "caption") not in {(p.kind, p.source) for p in found}
