"""Hostile files through the whole pipeline: a reason for each, and nothing else comes to harm."""

import json
import re
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from chalice.test import Client

import app
from chalicelib.model.ingest.files import REASONS, FileLimits
from tests.hostile.files import hostile_files
from tests.hostile.worker import handle_all, workers
from tests.support.world import World, jpeg

VERDICT_S = 30.0
HANGS_S = 10 * VERDICT_S
GROWTH_BYTES = 50_000_000
SLOWEST = "endless.pdf"
NOT_TEXT = re.compile("[\x00-\x08\x0b-\x1f\x7f\ud800-\udfff\ufffe\uffff]")
# The others are free to be read or to be refused: only that they end, and how, is asked of them.
VERDICTS = {
    "bomb-169mp.png": "too_many_pixels",
    "overflow.png": "too_many_pixels",
    "two-headers.png": "too_many_pixels",
    "bomb.gif": "too_many_pixels",
    "frame-beyond-screen.gif": "too_many_pixels",
    "canvas.webp": "too_many_pixels",
    "lossless-bomb.webp": "too_many_pixels",
    "bomb.jpg": "too_many_pixels",
    "bomb-in-budget.png": None,
    "palette-missing.png": "corrupt",
    "profile-of-9-mb.png": None,
    "text-bomb.png": "corrupt",
    "exif-orientation-255.jpg": None,
    "exif-camera-nul.jpg": None,
    "exif-place-2.jpg": None,
    "comments-of-10-mb.jpg": None,
    "double-flate.pdf": "too_much_memory",
    "double-flate-font.pdf": "too_much_memory",
    "60000-pages.pdf": "too_many_pages",
    "one-page-60000-times.pdf": "too_many_pages",
    "tree-loop.pdf": "corrupt",
    "tree-missing.pdf": "corrupt",
    "arrays.pdf": None,
    "box-billion-plain.pdf": None,
    "script.pdf": None,
    "launch.pdf": None,
    "locked.pdf": "encrypted",
    "mapped.pdf": None,
    "title-surrogate.pdf": None,
    SLOWEST: "too_slow",
    "html-as.jpg": "unsupported_format",
    "svg-as.jpg": "unsupported_format",
    "zip-and-pdf.pdf": "unsupported_format",
    "byte.png": "unsupported_format",
    "empty.jpg": "empty_file",
    "pdf-as.png": None,
    "jpeg-as.gif": None,
    "jpeg-with-pdf.pdf": None,
    "cut-7.jpg": "truncated",
    "cut-7.png": "truncated",
    "cut-7.gif": "truncated",
    "cut-7.webp": "truncated",
    "cut-7.pdf": "truncated",
    **{f"cut-{eighth}.heic": "truncated" for eighth in range(1, 8)},
    "av1-as.heic": "unsupported_format",
    "pdf-after-html.pdf": "unsupported_format",
    "pdf-after-tiff.pdf": "unsupported_format",
    "pdf-after-mail.pdf": None,
}
Get = Callable[[str], Any]


@pytest.fixture
def get(world: World, tmp_path: Path) -> Get:
    """GET a path: its JSON, which has no NaN in it, after a 200."""
    app.edge.cache_clear()
    client = Client(app.app, project_dir=str(tmp_path))

    def read(path: str) -> Any:
        answer = client.http.get(path)
        assert answer.status_code == 200, (path, answer.body)
        return json.loads(answer.body, parse_constant=pytest.fail)

    return read


def run(world: World, started: Any, events: list[dict[str, Any]]) -> list[float]:
    """Deliver the events and all that follow, to several workers at once; the seconds each message took."""
    handle_all(started, events)
    took: list[float] = []
    while following := world.messages():
        took += handle_all(started, following)
    return took


def verdicts(world: World) -> dict[str, tuple[str, str | None, str | None]]:
    """Return (status, code, message) of each object's item by the object's name; a copy has its original's."""
    found = world.sql(
        "SELECT u.key, i.status, i.failure_code, i.failure_message FROM uploads u"
        " LEFT JOIN items i ON i.user_id = u.user_id AND i.id = u.item_id WHERE u.user_id = 'alice'"
    )
    return {key.removeprefix("alice/"): tuple(rest) for key, *rest in found}  # type: ignore[misc]


def list_all(get: Get, path: str) -> list[Any]:
    data, after = [], ""
    while True:
        page = get(f"{path}?limit=100{after}")
        data += page["data"]
        if not page["has_more"]:
            return data
        after = f"&after={page['next']}"


def read_everything(get: Get, expected: int) -> None:
    items = list_all(get, "/api/v1/items")
    assert len(items) == expected
    for item in items:
        path = f"/api/v1/items/{quote(item['id'], safe='')}"
        assert get(path) == item
        assert get(f"{path}/timeline")["data"]
        chunks = list_all(get, f"{path}/chunks")
        texts = [item["name"], item["title"], item["camera"], *(chunk["text"] for chunk in chunks)]
        assert not any(NOT_TEXT.search(text) for text in texts if text), item["name"]
        assert (item["status"] == "READY") == (item["thumbnail_url"] is not None) == (item["failure"] is None)


@pytest.mark.skipif(sys.platform != "linux", reason="reads the workers' peak memory from /proc")
@pytest.mark.parametrize(
    "part", [pytest.param(1, marks=pytest.mark.slow, id="all"), pytest.param(40, id="some")]
)
def test_every_hostile_file_ends_with_a_reason_and_harms_nothing(world: World, get: Get, part: int) -> None:
    everything = hostile_files()
    files = {name: everything[name] for name in {*VERDICTS, *sorted(everything)[::part]}}
    if part > 1:
        files.pop(SLOWEST)  # test_decoder_bounds.py has one that is given up on sooner
    with workers(3) as started, ThreadPoolExecutor(1) as beside:
        run(world, started, [world.put(f"bob/{name}.jpg", jpeg(name)) for name in ("red", "green", "blue")])
        before = [worker.peak_bytes() for worker in started]
        slow = {name: world.put(f"alice/{name}", files[name]) for name in files if name == SLOWEST}
        slowest = beside.submit(handle_all, started[2:], [*slow.values()])
        others = {name: world.put(f"alice/{name}", files[name]) for name in files if name not in slow}
        took = run(world, started[:2], [*others.values()])
        slowest.result()
        took += run(world, started, [])
        grown = [worker.peak_bytes() - least for worker, least in zip(started, before, strict=True)]
        run(world, started, [world.put("bob/after.jpg", jpeg("white"))])
    assert max(grown) < GROWTH_BYTES
    assert max(took) < HANGS_S

    found = verdicts(world)
    assert found.keys() == files.keys()
    for name, (status, code, message) in found.items():
        assert (status == "READY" and code is None) or (status == "FAILED" and code in REASONS and message), (
            name
        )
    assert {name: found[name][1] for name in files if name in VERDICTS} == {
        name: code for name, code in VERDICTS.items() if name in files
    }
    assert world.sql("SELECT count(*) FROM items WHERE user_id = 'bob' AND status = 'READY'") == [(4,)]
    ended = world.sql("SELECT count(*) FROM items WHERE user_id = 'alice' AND status IN ('READY', 'FAILED')")
    read_everything(get, expected=ended[0][0])


def test_the_bomb_of_the_issue_is_small() -> None:
    assert len(hostile_files()["bomb-169mp.png"]) < 25_000


def test_a_verdict_leaves_time_for_the_rest() -> None:
    assert FileLimits().timeout_s <= VERDICT_S - 5


def test_the_set_is_the_same_every_time() -> None:
    assert hostile_files() == hostile_files()
