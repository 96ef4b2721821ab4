"""A document's pages over the API: their text, which offsets hold in, and their pictures with a quote marked."""

import hashlib
import io
import re
from contextlib import nullcontext
from pathlib import Path

import pytest
from chalice.test import Client
from PIL import Image, ImageChops

import app
from chalicelib import wiring
from chalicelib.model.library.items import ItemRef
from chalicelib.model.library.page_text import join_chunks, shown_span
from chalicelib.ops.library import documents
from chalicelib.providers.ingest.decoder import Decoder
from chalicelib.stores.aws import local_copies
from tests.support.guide import PATH, PDF, SAMPLES, kept
from tests.support.library_api import Api
from tests.support.world import World

CHANGED = 30  # of 255: more than a JPEG's noise


@pytest.fixture
def client(world: World, tmp_path: Path) -> Client:
    return Client(app.app, project_dir=str(tmp_path))


def image(client: Client, path: str) -> Image.Image:
    answer = client.http.get(path, headers={"Accept": "image/*,*/*;q=0.8"})
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "image/jpeg"), answer.body
    return Image.open(io.BytesIO(answer.body))


def scan(world: World) -> None:
    """A document that is a picture of text; the analyzer reads what is on it."""
    page = io.BytesIO()
    Image.new("RGB", (600, 800), "white").save(page, "PDF")
    world.ingest("alice/guide.pdf", page.getvalue())


def test_a_page_is_drawn_within_what_the_function_has_to_spare(
    world: World, client: Client, guide: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "256")
    for made in (wiring.settings, wiring.decoder):
        made.forget()
    assert image(client, f"{PATH}/pages/1/image").width == 1200
    assert wiring.decoder()._limits.memory_bytes == 64 * 1024 * 1024
    wiring.decoder().close()
    for made in (wiring.settings, wiring.decoder):
        made.forget()


def test_chunks_are_put_together_so_that_their_offsets_hold() -> None:
    text = "One. Two\n\nthree.   Four"
    chunks = [(start, text[start:end]) for start, end in ((19, 23), (0, 4), (5, 8), (10, 16))]
    joined = join_chunks(chunks)
    assert all(joined[start : start + len(part)] == part for start, part in chunks)
    assert joined == "One. Two\n\nthree.\n\n\nFour"
    assert join_chunks([]) == ""


def test_a_span_counts_what_is_printed() -> None:
    text = " One\n\u2003two  three"
    assert [shown_span(text, *span) for span in ((0, 4), (6, 9), (4, 4), (0, 99))] == [
        (0, 3),
        (3, 6),
        (3, 3),
        (0, 11),
    ]


def test_a_pages_text_is_what_its_chunks_hold(world: World, api: Api, guide: None) -> None:
    decoder = Decoder(limits=wiring.decoder()._limits)
    pages = decoder.decode(str(SAMPLES / "balcony-tomatoes.pdf")).pages
    decoder.close()
    for expected in pages:
        status, page, _ = api("GET", f"{PATH}/pages/{expected.number}")
        assert (status, page["source"], page["page_count"]) == (200, "text", len(pages))
        assert page["text"].split() == expected.text.split()
        assert len(page["text"]) == len(expected.text)
        assert page["image_url"] == f"{PATH}/pages/{expected.number}/image"
    chunks = api("GET", "/api/v1/items/guide/chunks")[1]["data"]
    for chunk in chunks:
        if chunk["source"] == "text":
            text = api("GET", f"{PATH}/pages/{chunk['page']}")[1]["text"]
            assert text[chunk["char_start"] : chunk["char_end"]] == chunk["text"]
    first, last = api("GET", f"{PATH}/pages/1")[1], api("GET", f"{PATH}/pages/{len(pages)}")[1]
    assert (first["previous_url"], first["next_url"]) == (None, f"{PATH}/pages/2")
    assert last["next_url"] is None


def test_a_page_that_is_not_there_is_named(api: Api, guide: None) -> None:
    for part in ("", "/image", "/thumbnail"):
        status, problem, _ = api("GET", f"{PATH}/pages/999{part}")
        assert (status, problem["field"]) == (404, "n"), part
        for wrong in ("0", "-1", "one", "1.0", "100000", "01"):
            status, problem, _ = api("GET", f"{PATH}/pages/{wrong}{part}")
            assert (status, problem["field"]) == (400, "n"), wrong
    assert api("GET", "/api/v1/documents/never-was/pages/1")[0] == 404


def test_a_document_that_is_not_read_yet_is_not_ready(world: World, api: Api, guide: None) -> None:
    world.sql("UPDATE items SET status = 'PROCESSING', pages_read = 1")
    assert api("GET", f"{PATH}/pages/1")[0] == 200
    status, problem, _ = api("GET", f"{PATH}/pages/2")
    assert (status, problem["code"]) == (409, "not_ready") and "PROCESSING" in problem["detail"]
    world.sql("UPDATE items SET pages_read = 0")
    assert api("GET", f"{PATH}/pages/2")[0] == 200, "the text of the earlier reading"
    world.sql("UPDATE items SET kind = NULL, page_count = NULL, status = 'PENDING'")
    for part in ("", "/image", "/thumbnail"):
        status, problem, _ = api("GET", f"{PATH}/pages/1{part}")
        assert (status, problem["code"]) == (409, "not_ready") and "PENDING" in problem["detail"]


def test_a_quote_is_marked_where_it_stands(client: Client, api: Api, guide: None) -> None:
    """The marked lines hold the quote's ink; the rest of the page is as it was."""
    text = api("GET", f"{PATH}/pages/1")[1]["text"]
    start, end = re.search(r"\S+ \S+ \S+", text[300:]).span()  # type: ignore[union-attr]
    plain = image(client, f"{PATH}/pages/1/image?width=800")
    marked = image(
        client, f"{PATH}/pages/1/image?width=800&highlight={300 + start}-{300 + end}&highlight=0-1"
    )
    assert plain.width == marked.width == 800
    red, green, blue = ImageChops.difference(plain, marked).split()
    steps = ImageChops.lighter(ImageChops.lighter(red, green), blue)
    changed = sum(steps.histogram()[CHANGED:])
    assert 0 < changed < 0.02 * plain.width * plain.height
    assert sum(blue.histogram()[80:]) > 0.3 * changed, "paper turned yellow"


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("width=99", "width"),
        ("width=2001", "width"),
        ("highlight=0-999999", "highlight"),
        ("highlight=5-5", "highlight"),
        ("highlight=9-5", "highlight"),
        ("highlight=5", "highlight[0]"),
        ("highlight=-5-9", "highlight[0]"),
        ("highlight=0-1&highlight=0-99999", "highlight"),
        ("&".join(["highlight=0-1"] * 51), "highlight"),
        ("colour=red", "colour"),
    ],
)
def test_a_wrong_question_about_a_picture_is_refused_by_field(
    api: Api, guide: None, query: str, field: str
) -> None:
    status, problem, _ = api("GET", f"{PATH}/pages/1/image?{query}")
    assert (status, problem["field"]) == (400, field)


def test_a_browser_keeps_a_picture_for_one_caller_only(client: Client, guide: None) -> None:
    answer = client.http.get(f"{PATH}/pages/1/image?width=100", headers={"Accept": "*/*"})
    assert answer.headers["Cache-Control"] == "private, max-age=3600"
    assert {"Authorization", "X-Api-Key", "Origin"} <= set(answer.headers["Vary"].split(", "))
    small = client.http.get(f"{PATH}/pages/1/thumbnail", headers={"Accept": "*/*"})
    assert small.headers["Cache-Control"] == "private, max-age=3600"
    assert client.http.get(f"{PATH}/pages/1").headers["Cache-Control"] == "no-store"
    thumbnail = client.http.get("/api/v1/items/guide/thumbnail")
    assert (thumbnail.headers["Cache-Control"], "Authorization" in thumbnail.headers["Vary"]) == (
        "private, max-age=300",
        True,
    )


def test_a_pages_thumbnail_is_of_that_page(client: Client, guide: None) -> None:
    small = [image(client, f"{PATH}/pages/{n}/thumbnail") for n in (1, 2)]
    large = [image(client, f"{PATH}/pages/{n}/image?width=320") for n in (1, 2)]
    assert [each.width for each in small] == [320, 320]
    assert [each.tobytes() for each in small] == [each.tobytes() for each in large]
    assert ImageChops.difference(*small).getbbox() is not None


def test_a_hits_pictures_are_there(client: Client, api: Api, guide: None) -> None:
    found = api("POST", "/api/v1/search", {"query": "tomatoes", "filters": {"pages": {"from": 2}}})[1]["data"]
    assert found[0]["page"] > 1
    page = image(client, f"{found[0]['page_url']}/image?width=320")
    assert image(client, found[0]["thumbnail_url"]).tobytes() == page.tobytes()
    marked = image(client, f"{found[0]['page_image_url']}&width=320")
    assert ImageChops.difference(page, marked).getbbox() is not None


def test_a_list_of_thumbnails_is_no_costly_one(client: Client, guide: None) -> None:
    """A search of twelve hits would use up a tenth of them; so one that is slow to draw is given up early."""
    costs = {
        route.path.rpartition("/")[2]: route.cost for route in app.app.declared if "/pages/" in route.path
    }
    assert (costs["thumbnail"], costs["image"]) == ("plain", "costly")
    given: list[float] = []

    def draw(path: str, number: int, *, width_px: int, timeout_s: float) -> bytes:
        given.append(timeout_s)
        return wiring.decoder().render_page(path, number, width_px=width_px, timeout_s=timeout_s)

    ref = ItemRef(user_id="alice", item_id="guide")
    given_to = {"db": wiring.database(), "copies": wiring.local_copies()}
    assert documents.render_thumbnail(ref, 1, **given_to, lend=lambda _user: nullcontext(draw)).startswith(
        b"\xff\xd8\xff"
    )
    assert given == [3.0]


@pytest.mark.parametrize("headers", [{}, {"Accept": "image/*"}, {"Accept": "text/html"}])
def test_whatever_is_accepted_the_picture_comes(client: Client, guide: None, headers: dict[str, str]) -> None:
    answer = client.http.get(f"{PATH}/pages/1/image?width=100", headers=headers)
    assert answer.body.startswith(b"\xff\xd8\xff")


def test_a_scanned_pages_text_was_read_off_it_and_cannot_be_marked(
    world: World, api: Api, client: Client
) -> None:
    scan(world)
    world.sql("DELETE FROM chunks WHERE source = 'ocr'")
    status, page, _ = api("GET", f"{PATH}/pages/1")
    assert (status, page["text"], page["source"]) == (200, "", None)
    world.sql(
        "INSERT INTO chunks (user_id, item_id, source, ordinal, page, char_start, char_end, text)"
        " VALUES ('alice', 'guide', 'ocr', 0, 1, 0, 10, 'read words')"
    )
    page = api("GET", f"{PATH}/pages/1")[1]
    assert (page["text"], page["source"]) == ("read words", "ocr")
    plain, asked = (image(client, f"{PATH}/pages/1/image{query}") for query in ("", "?highlight=0-4"))
    assert ImageChops.difference(plain, asked).getbbox() is None
    assert api("GET", f"{PATH}/pages/1/image?highlight=0-11")[1]["field"] == "highlight"


def test_a_file_is_fetched_once_and_few_are_kept(world: World, client: Client, guide: None) -> None:
    for number in range(3):
        world.ingest(f"alice/other-{number}.pdf", PDF + b"%d" % number)
    assert image(client, f"{PATH}/pages/1/image?width=100")
    (path,) = kept()
    fetched = path.stat().st_mtime_ns
    assert image(client, f"{PATH}/pages/2/image?width=100")
    assert [(each, each.stat().st_mtime_ns) for each in kept()] == [(path, fetched)]
    for number in range(3):
        assert image(client, f"/api/v1/documents/other-{number}/pages/1/image?width=100")
        assert len(kept()) <= local_copies.KEPT
    assert path not in kept()
    assert image(client, f"{PATH}/pages/1/image?width=100")


def test_bytes_that_were_replaced_are_not_shown(world: World, api: Api, client: Client, guide: None) -> None:
    event = world.put("alice/guide.pdf", (SAMPLES / "travel-policy-2026.pdf").read_bytes())
    status, problem, _ = api("GET", f"{PATH}/pages/1/image")
    assert (status, problem["code"]) == (409, "not_ready")
    assert kept() == []
    world.run(event)
    assert "tomato" not in api("GET", f"{PATH}/pages/1")[1]["text"].lower()
    assert image(client, f"{PATH}/pages/1/image?width=100")


def test_what_is_kept_is_one_users(world: World, client: Client, guide: None) -> None:
    world.ingest("bob/guide.pdf", PDF)
    assert image(client, f"{PATH}/pages/1/image?width=100")
    (mine,) = kept()
    sha256 = hashlib.sha256(PDF).hexdigest()
    with wiring.local_copies().open("bob", "bob/guide.pdf", sha256=sha256) as his:
        assert Path(his) != mine
    assert len(kept()) == 2
