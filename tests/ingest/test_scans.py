"""Scanned pages: each is read once, whatever interrupts the work, and what is on it is found and cited."""

from typing import Any

import pytest

from chalicelib import wiring
from chalicelib.errors import Unavailable
from chalicelib.events import handlers
from chalicelib.model.ingest.files import FileLimits
from chalicelib.model.library.items import ItemRef
from chalicelib.model.work.tasks import POLICIES, Claim
from chalicelib.ops.ingest import read_scans
from chalicelib.ops.ingest.analyze import analyze_item
from chalicelib.ops.ingest.manage import reprocess_item
from chalicelib.stores.postgres.postgres import Database
from tests.support import reading
from tests.support.emulated import BUCKET
from tests.support.library_api import Api
from tests.support.long_pdf import make_long_pdf
from tests.support.reading import Reader
from tests.support.scans import (
    analyze,
    asked,
    expected,
    finish,
    joined,
    kept,
    number_on,
    put_scan,
    scanned_pdf,
    text_of,
)
from tests.support.world import World

ALICE_A = ItemRef(user_id="alice", item_id="a")
PATH = "/api/v1/documents/a"


MAX_ATTEMPTS = POLICIES["analyze"].max_attempts


def test_every_page_of_a_scan_is_read_before_it_is_described(world: World, api: Api) -> None:
    put_scan(world, range(1, 6))
    assert api("GET", PATH)[1]["unread_pages"] == 5
    finish(world)
    assert asked(world) == [1, 2, 3, 4, 5]
    assert kept(world) == expected(range(1, 6))
    document = api("GET", PATH)[1]
    assert (document["status"], document["unread_pages"]) == ("READY", 0)
    assert text_of(1) in api("GET", "/api/v1/items/a")[1]["analysis"]["summary"]
    page = api("GET", f"{PATH}/pages/4")[1]
    assert (page["text"], page["source"], page["is_unread"]) == (text_of(4), "ocr", False)
    (hit, *_) = api("POST", "/api/v1/search", {"query": "matter4"})[1]["data"]
    assert (hit["page"], hit["source"]) == (4, "ocr")


def test_of_a_mixed_document_only_the_scans_are_read(world: World, api: Api) -> None:
    body = "A long page of plain text that is in the file itself. " * 3
    text = make_long_pdf([body, "Only a few words.", ""])
    stamped = make_long_pdf(["Scanned with Some App", "Scanned with Another", body], image_px=20)
    world.step(world.put("alice/a.pdf", joined(text, scanned_pdf([(4, "")]), stamped)))
    assert world.item("a")["unread_pages"] == [4, 5, 6]
    said = [text_of(4), "What is written under the first stamp, and that is a lot.", "Scanned with Another 7"]
    world.providers.read = lambda jpeg: said[len(world.providers.pages)]
    finish(world)
    pages = [api("GET", f"{PATH}/pages/{number}")[1] for number in range(1, 8)]
    assert [page["source"] for page in pages] == ["text", "text", None, "ocr", "ocr", "text", "text"]
    assert [page["text"] for page in pages[3:6]] == [said[0], said[1], "Scanned with Another"]
    assert kept(world) == [(0, 4, said[0]), (1, 5, said[1])]
    assert [page["is_unread"] for page in pages] == [False] * 7
    plain, marked = (
        api._client.http.get(f"{PATH}/pages/5/image{query}").body for query in ("", "?highlight=0-9")
    )
    assert plain == marked, "offsets are of the text that was read, not of the stamp's"
    assert world.sql("SELECT count(*) FROM chunks WHERE page = 5 AND source = 'text'") == [(0,)]


def test_when_time_runs_out_the_next_call_goes_on(world: World, api: Api) -> None:
    put_scan(world, range(1, 5))
    for done in range(1, 5):
        analyze(world, remaining_s=read_scans.MIN_SCAN_S)
        document = api("GET", PATH)[1]
        assert (document["status"], document["unread_pages"]) == ("ANALYZING", 4 - done)
        assert api("GET", f"{PATH}/pages/4")[1]["is_unread"] == (done < 4)
        assert world.sql("SELECT state, attempt FROM tasks WHERE stage = 'analyze'") == [("ready", 0)]
        assert world.providers.analyzed == []
    finish(world)
    assert asked(world) == [1, 2, 3, 4]
    assert kept(world) == expected(range(1, 5))
    assert world.item("a")["status"] == "READY"


@pytest.mark.parametrize("status", [429, 500, 503, 401])
def test_an_analyzer_that_is_away_costs_no_page(world: World, status: int) -> None:
    put_scan(world, range(1, 6))
    world.providers.read = lambda jpeg: (
        status if len(world.providers.pages) == 2 else text_of(number_on(jpeg))
    )
    analyze(world)
    assert kept(world) == expected([1, 2])
    assert world.item("a")["unread_pages"] == [3, 4, 5]
    finish(world)
    assert asked(world) == [1, 2, 3, 4, 5] and world.providers.pages[2] == status
    assert kept(world) == expected(range(1, 6))
    assert world.item("a")["status"] == "READY"


def test_attempts_count_anew_with_every_page(world: World) -> None:
    put_scan(world, range(1, 4))
    failures = dict.fromkeys(range(1, 4), MAX_ATTEMPTS - 2)

    def read(jpeg: bytes) -> str | int:
        number = number_on(jpeg)
        failures[number] -= 1
        return 503 if failures[number] >= 0 else text_of(number)

    world.providers.read = read
    for _ in range(3 * (MAX_ATTEMPTS - 2)):
        analyze(world)
    finish(world)
    assert (world.item("a")["status"], kept(world)) == ("READY", expected(range(1, 4)))


@pytest.mark.parametrize("said", [422, "", " \n\x00"])
def test_a_page_of_which_nothing_can_be_read_is_done_with(world: World, said: str | int) -> None:
    put_scan(world, range(1, 4))
    world.providers.read = lambda jpeg: said if number_on(jpeg) == 2 else text_of(number_on(jpeg))
    finish(world)
    assert len(world.providers.pages) == 3
    assert [row[1:] for row in kept(world)] == [row[1:] for row in expected([1, 3])]
    item = world.item("a")
    assert (item["status"], item["unread_pages"], item["scans_read"]) == ("READY", [], 3)


def test_what_the_analyzer_answers_is_kept_without_what_postgres_refuses(world: World) -> None:
    put_scan(world, [1])
    world.providers.read = lambda jpeg: " a\x00b \ud800c "
    finish(world)
    assert kept(world) == [(0, 1, "ab c")]


def test_a_worker_that_is_late_keeps_no_page(world: World) -> None:
    put_scan(world, range(1, 4))

    def read(jpeg: bytes) -> str:
        if number_on(jpeg) == 2:
            world.sql("UPDATE tasks SET token = gen_random_uuid() WHERE state = 'running'")
        return text_of(number_on(jpeg))

    world.providers.read = read
    analyze(world)
    assert kept(world) == expected([1])
    assert world.item("a")["unread_pages"] == [2, 3]
    assert world.providers.analyzed == []


def test_a_lost_acknowledgement_doubles_no_page(world: World) -> None:
    class Twice(Database):
        def transact(self, user_id: str, work: Any, *, timeout_s: float | None = None) -> Any:
            super().transact(user_id, work, timeout_s=timeout_s)
            return super().transact(user_id, work, timeout_s=timeout_s)

    put_scan(world, range(1, 4))
    twice = Twice(world.db._url, max_size=1)
    analyze_with(world, db=twice)
    twice.close()
    assert (kept(world), world.item("a")["scans_read"]) == (expected(range(1, 4)), 3)


def test_pages_beyond_the_most_stay_unread_and_say_so(
    world: World, api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(read_scans, "MOST_SCANS", 3)
    put_scan(world, range(1, 6))
    analyze(world, remaining_s=read_scans.MIN_SCAN_S)
    finish(world)
    assert kept(world) == expected([1, 2, 3])
    document = api("GET", PATH)[1]
    assert (document["status"], document["unread_pages"]) == ("READY", 2)
    assert api("GET", "/api/v1/items/a")[1]["unread_pages"] == 2
    page = api("GET", f"{PATH}/pages/4")[1]
    assert (page["text"], page["source"], page["is_unread"]) == ("", None, True)


def test_the_bound_on_text_holds_with_what_is_read(world: World) -> None:
    body = "\n".join(["Plain text that is in the file itself, more than a stamp has."] * 3)
    world.step(world.put("alice/a.pdf", joined(make_long_pdf([body]), scanned_pdf([(2, ""), (3, "")]))))
    world.providers.read = lambda jpeg: text_of(number_on(jpeg))
    size = len(body) + len(text_of(2))
    bounds = (
        (size - 1, []),
        (size, [2]),
        (size + len(text_of(3)) - 1, [2]),
        (size + len(text_of(3)), [2, 3]),
    )
    for most, read in bounds:
        analyze_with(world, limits=FileLimits(max_text_chars=most))
        assert [page for _, page, _ in kept(world)] == read
        assert world.sql("SELECT state FROM tasks WHERE stage = 'analyze'") == [("done",)]
        world.sql("UPDATE tasks SET state = 'ready' WHERE stage = 'analyze'")


def test_reprocessing_and_old_events_neither_double_nor_lose_a_page(world: World) -> None:
    put_scan(world, range(1, 4))
    finish(world)
    for name in ("ImageProcessed", "DocumentProcessed"):
        detail = {"item_id": "a", "user_id": "alice", "bucket": BUCKET, "original_key": "alice/a.pdf"}
        world.run({"detail-type": name, "detail": detail})
    assert (asked(world), kept(world)) == ([1, 2, 3], expected(range(1, 4)))
    reprocess_item(ALICE_A, db=world.db, queues=wiring.queues())
    assert kept(world) == expected(range(1, 4)), "found until it is read anew"
    handlers.minute_passed()
    world.run()
    assert (asked(world), kept(world)) == ([1, 2, 3, 1, 2, 3], expected(range(1, 4)))
    assert (world.item("a")["status"], world.item("a")["scans_read"]) == ("READY", 3)
    assert world.sql("SELECT count(*) FROM pages") == [(3,)]


def test_other_bytes_are_not_read_in_the_place_of_those_that_were_counted(world: World) -> None:
    put_scan(world, [1, 2])
    arrival = world.put("alice/a.pdf", scanned_pdf([(7, ""), (8, ""), (9, "")]))
    analyze(world)
    assert (asked(world), world.item("a")["status"]) == ([], "ANALYZING")
    world.run(arrival)
    assert [text for _, _, text in kept(world)] == [text_of(7), text_of(8), text_of(9)]
    assert (world.item("a")["status"], world.item("a")["scans_read"]) == ("READY", 3)


def test_of_a_file_that_is_bad_or_no_more_nothing_is_unread(world: World) -> None:
    reader = Reader()
    reading.put(world, ["", "", "A word. " * 99], image_px=9)
    reading.read(world, reader, pages=1, left_s=4.0)
    reading.read(world, reader, pages=1, left_s=4.0)
    assert world.item("a")["unread_pages"] == [1, 2]
    reading.read(world, reader, limits=FileLimits(max_text_chars=99))
    reader.close()
    assert (world.item("a")["failure_code"], world.item("a")["unread_pages"]) == ("text_too_large", [])
    put_scan(world, [1, 2])
    assert world.item("a")["unread_pages"] == [1, 2]
    world.step(world.put("alice/a.pdf", b"garbage"))
    assert (world.item("a")["status"], world.item("a")["unread_pages"]) == ("FAILED", [])


def test_a_page_that_takes_too_long_to_draw_is_done_with(world: World) -> None:
    def render(path: str, number: int, *, width_px: int) -> bytes:
        if number == 1:
            raise Unavailable("too slow", code="out_of_time")
        return wiring.decoder().render_page(path, number, width_px=width_px)

    put_scan(world, [1, 2])
    analyze_with(world, render=render)
    assert (asked(world), world.item("a")["unread_pages"]) == ([2], [])


def test_a_file_that_is_gone_ends_the_document(world: World) -> None:
    put_scan(world, [1, 2])
    world.aws.client("s3").delete_object(Bucket=BUCKET, Key="alice/a.pdf")
    analyze(world)
    item = world.item("a")
    assert (item["status"], item["failure_code"], asked(world)) == ("FAILED", "object_missing", [])


def analyze_with(
    world: World,
    *,
    db: Database | None = None,
    render: read_scans.Render | None = None,
    limits: FileLimits = FileLimits(),  # noqa: B008  frozen
) -> None:
    """The second stage, not as the handler calls it."""

    def work(claim: Claim) -> Any:
        return analyze_item(
            claim,
            db=db or world.db,
            blobs=wiring.blobs(),
            copies=wiring.local_copies(),
            render=render or wiring.decoder().render_page,
            analyzer=wiring.analyzer(),
            limits=limits,
            time_left_s=lambda: 100.0,
        )

    world.do_stage("analyze", ALICE_A, work)
