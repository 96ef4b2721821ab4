"""PDFs of scanned pages, and who reads them: each page's number is painted on it, and read off the picture."""

import io
from collections.abc import Iterable, Sequence
from typing import Any

from PIL import Image, ImageDraw, ImageFont
from pypdfium2 import PdfDocument

from chalicelib.model.library.items import ItemRef
from tests.support.world import World

ALICE_A = ItemRef(user_id="alice", item_id="a")

SIZE_PX = (600, 800)
_BITS, _SQUARE_PX = 12, 40


def draw_page(number: int, text: str = "") -> Image.Image:
    """Return a sheet with its number in black and white squares along the top, and lines of text."""
    sheet = Image.new("L", SIZE_PX, 245)
    draw = ImageDraw.Draw(sheet)
    for bit in range(_BITS):
        left = 20 + bit * _SQUARE_PX
        draw.rectangle((left, 20, left + _SQUARE_PX, 50), fill=10 if number >> bit & 1 else 245)
    draw.text((40, 100), text, fill=20, font=ImageFont.load_default(size=26), spacing=14)
    return sheet


def number_on(jpeg: bytes) -> int:
    """Return the number of the page that was drawn."""
    sheet = Image.open(io.BytesIO(jpeg)).convert("L").resize(SIZE_PX)
    middles = ((20 + bit * _SQUARE_PX + _SQUARE_PX // 2, 35) for bit in range(_BITS))
    return sum(1 << bit for bit, middle in enumerate(middles) if sheet.getpixel(middle) < 128)  # type: ignore[operator]


def scanned_pdf(pages: Iterable[tuple[int, str]]) -> bytes:
    """Return a picture a page: its number, and what is written on it."""
    first, *others = [draw_page(number, text) for number, text in pages]
    out = io.BytesIO()
    first.save(out, "PDF", save_all=True, append_images=others)
    return out.getvalue()


def joined(*pdfs: bytes) -> bytes:
    """Return one PDF of all their pages."""
    whole, out = PdfDocument.new(), io.BytesIO()
    for pdf in pdfs:
        whole.import_pages(PdfDocument(pdf))
    whole.save(out)
    return out.getvalue()


def text_of(number: int) -> str:
    return f"Page {number} was read. It tells of matter{number}."


def put_scan(world: World, numbers: Sequence[int], *, key: str = "alice/a.pdf") -> None:
    """A scan that has been through the first stage; what is on its pages is in them only."""
    world.step(world.put(key, scanned_pdf((number, "") for number in numbers)))
    world.providers.read = lambda jpeg: text_of(number_on(jpeg))


def analyze(world: World, *, remaining_s: float = 100.0) -> None:
    """One invocation of the second stage."""
    world.sql("UPDATE tasks SET run_after = now() WHERE state = 'ready'")
    world.wake(ALICE_A, "analyze", remaining_s=remaining_s)


def finish(world: World) -> None:
    """Do all that is left of the pipeline."""
    analyze(world)
    world.run()


def asked(world: World) -> list[int]:
    """Return the pages that were read, call by call."""
    return [int(said.split()[1]) for said in world.providers.pages if isinstance(said, str)]


def kept(world: World) -> list[tuple[int, int, str]]:
    """Return the stored text of the scans: ordinal, page, text."""
    rows: list[Any] = world.sql("SELECT ordinal, page, text FROM chunks WHERE source = 'ocr' ORDER BY id")
    return rows


def expected(numbers: Iterable[int]) -> list[tuple[int, int, str]]:
    return [(ordinal, number, text_of(number)) for ordinal, number in enumerate(numbers)]
