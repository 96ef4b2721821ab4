"""Pages of a PDF that count as scans: without text, or with a stamp's text on a large picture."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from chalicelib.model.ingest.files import FileLimits, Page, ReadBounds
from chalicelib.ops.ingest import read_scans
from chalicelib.providers.ingest.decoder import Decoder
from tests.hostile.pdfs import pdf, stream
from tests.support.long_pdf import make_long_pdf
from tests.support.scans import finish, scanned_pdf
from tests.support.world import World

Decode = Callable[[bytes], Page]
LONG = (
    "A long page of plain text that is in the file itself, in more words than any scanner would print. " * 2
)
GREY = stream(b"\x80" * 81, "/Subtype/Image/Width 9/Height 9/ColorSpace/DeviceGray/BitsPerComponent 8")
WRAPPED = stream(
    b"q 200 0 0 100 0 0 cm /X Do Q", "/Subtype/Form/BBox[0 0 200 100]/Resources<</XObject<</X 10 0 R>>>>"
)
NOTE = "<</Type/Annot/Subtype/Square/Rect[10 10 90 90]/C[1 0 0]>>"
STAMP = b"BT /F 9 Tf 10 50 Td (Scanned with Some App) Tj ET "


def drawn(content: bytes, *, page: str = "") -> bytes:
    """Return a page of 200 x 100 points that may draw /X, a picture, or /W, a form around it."""
    return pdf(
        {10: GREY, 11: WRAPPED, 12: NOTE},
        content=content,
        page="/MediaBox[0 0 200 100]" + page,
        resources="/XObject<</X 10 0 R/W 11 0 R>>",
    )


@pytest.fixture(scope="module")
def decoder() -> Iterator[Decoder]:
    decoder = Decoder(limits=FileLimits())
    yield decoder
    decoder.close()


@pytest.fixture
def decode(decoder: Decoder, tmp_path: Path) -> Decode:
    def first_page(file: bytes) -> Page:
        (tmp_path / "file").write_bytes(file)
        return decoder.decode(str(tmp_path / "file")).pages[0]

    return first_page


@pytest.mark.parametrize(
    ("file", "is_scan"),
    [
        (drawn(b""), False),
        (drawn(b"q 200 0 0 100 0 0 cm /X Do Q"), True),
        (drawn(b"q 20 0 0 10 0 0 cm /X Do Q"), True),
        (drawn(b"/W Do"), True),
        (drawn(b"10 10 50 50 re f"), True),
        (drawn(b"", page="/Annots[12 0 R]"), True),
        (drawn(STAMP), False),
        (drawn(STAMP + b"q 200 0 0 100 0 0 cm /X Do Q"), True),
        (drawn(STAMP + b"q 200 0 0 60 0 0 cm /X Do Q"), True),
        (drawn(STAMP + b"q 20 0 0 10 0 0 cm /X Do Q"), False),
        (drawn(STAMP + b"0 0 200 100 re f"), False),
        (drawn(STAMP + b"/W Do"), True),
        (drawn(b"q 200 0 0 100 0 0 cm /X Do Q", page="/Rotate 90"), True),
        (make_long_pdf([LONG], image_px=9), False),
        (scanned_pdf([(1, "Some words.")]), True),
    ],
)
def test_a_page_that_shows_more_than_its_text_is_a_scan(decode: Decode, file: bytes, is_scan: bool) -> None:
    assert decode(file).is_scan == is_scan


def test_a_page_of_a_million_lines_is_not_looked_through(decode: Decode) -> None:
    lines = b"0 0 m 1 1 l S\n" * 300_000
    assert not decode(drawn(STAMP + lines + b"q 200 0 0 100 0 0 cm /X Do Q")).is_scan


def test_scans_are_numbered_in_every_batch(decoder: Decoder, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(make_long_pdf(["", LONG, "", "", LONG, ""], image_px=9))
    first = decoder.decode(str(path), bounds=ReadBounds(pages=3)).pages
    others = decoder.read_pages(str(path), 4, text_size_left=10_000, bounds=ReadBounds(pages=3))
    assert [page.number for page in (*first, *others) if page.is_scan] == [1, 3, 4, 6]


def test_2000_blank_pages_are_asked_of_nobody(world: World) -> None:
    world.ingest("alice/a.pdf", make_long_pdf([""] * 2000))
    item = world.item("a")
    assert (item["status"], item["unread_pages"], world.providers.pages) == ("READY", [], [])


def test_of_2000_scanned_pages_the_first_are_read(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(read_scans, "MOST_SCANS", 5)
    world.step(world.put("alice/a.pdf", make_long_pdf([""] * 2000, image_px=2)))
    assert world.item("a")["unread_pages"] == [*range(1, 2001)]
    world.providers.read = lambda jpeg: "The same on every page."
    finish(world)
    item = world.item("a")
    assert (item["status"], item["unread_pages"]) == ("READY", [*range(6, 2001)])
    assert len(world.providers.pages) == 5
