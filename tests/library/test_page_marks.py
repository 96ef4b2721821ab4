"""A quote marked on the picture of its page: the boxes are where its ink is, and nowhere else."""

import io
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image, ImageChops

from chalicelib.model.ingest.files import FileLimits
from chalicelib.model.library.page_text import shown_span
from chalicelib.providers.ingest.decoder import Decoder

Word = tuple[str, int, int]  # and where it begins, in points
WORDS: list[Word] = [
    ("hidden", 700, 185),
    *(("The", 20, 160), ("garden", 55, 160), ("is", 120, 160), ("closed", 150, 160)),
    *(("until", 20, 130), ("April", 70, 130), ("comes", 120, 130)),
    *(("with", 20, 100), ("rain\\255", 60, 100)),
    *(("bows", 20, 70), ("of", 70, 70), ("light", 100, 70)),
]
PLAIN = "/MediaBox[0 0 300 200]"
SHAPES = {
    "plain": PLAIN,
    "turned right": f"{PLAIN}/Rotate 90",
    "upside down": f"{PLAIN}/Rotate 180",
    "turned left": f"{PLAIN}/Rotate 270",
    "cropped": "/MediaBox[-50 -40 400 300]/CropBox[10 30 220 190]",
    "cropped and turned": "/MediaBox[-50 -40 400 300]/CropBox[10 30 220 190]/Rotate 90",
    "not at zero": "/MediaBox[15 25 315 225]",
}


@pytest.fixture(scope="module")
def decoder() -> Iterator[Decoder]:
    decoder = Decoder(limits=FileLimits())
    yield decoder
    decoder.close()


def make_pdf(path: Path, shape: str, words: list[Word], *, more: str = "") -> str:
    """Return one page with these words on it, each written by itself. No cross-reference table: readers rebuild it."""
    content = more + "".join(f"BT /F 14 Tf {x} {y} Td ({word}) Tj ET\n" for word, x, y in words)
    font = "<</Type/Font/Subtype/Type1/BaseFont/Helvetica/Encoding/WinAnsiEncoding>>"
    path.write_text(
        "%PDF-1.4\n1 0 obj <</Type/Catalog/Pages 2 0 R>> endobj\n"
        "2 0 obj <</Type/Pages/Count 1/Kids[3 0 R]>> endobj\n"
        f"3 0 obj <</Type/Page/Parent 2 0 R/Contents 4 0 R{shape}/Resources<</Font<</F {font}>>>>>> endobj\n"
        f"4 0 obj <</Length {len(content)}>> stream\n{content}\nendstream endobj\n"
        "trailer <</Root 1 0 R>>\n%%EOF",
        encoding="latin-1",
    )
    return str(path)


def picture(decoder: Decoder, path: str, spans: list[tuple[int, int]] | None = None) -> Image.Image:
    jpeg = decoder.render_page(path, 1, width_px=900, spans=spans or [])
    return Image.open(io.BytesIO(jpeg)).convert("RGB")


def ink(decoder: Decoder, path: str) -> tuple[int, int, int, int]:
    """Around all that is dark on the page."""
    box = picture(decoder, path).convert("L").point(lambda grey: 255 * (grey < 128)).getbbox()
    assert box
    return box


def changed(before: Image.Image, after: Image.Image) -> Image.Image:
    """White where the two differ by more than a JPEG's noise."""
    red, green, blue = ImageChops.difference(before, after).split()
    return ImageChops.lighter(ImageChops.lighter(red, green), blue).point(lambda step: 255 * (step > 30))


def grown(box: tuple[int, int, int, int], by: int) -> tuple[int, int, int, int]:
    return box[0] - by, box[1] - by, box[2] + by, box[3] + by


def assert_marked(decoder: Decoder, tmp_path: Path, shape: str, quote: str, lines: list[list[Word]]) -> None:
    path = make_pdf(tmp_path / "page.pdf", shape, WORDS)
    text = decoder.decode(path).pages[0].text
    start = text.index(quote)
    span = shown_span(text, start, start + len(quote))
    marks = changed(picture(decoder, path), picture(decoder, path, [span]))
    expected = [ink(decoder, make_pdf(tmp_path / "line.pdf", shape, line)) for line in lines]
    for box in expected:
        inside = marks.crop(grown(box, -2))
        assert inside.histogram()[255] >= 0.99 * inside.width * inside.height, (quote, box)
        marks.paste(0, grown(box, 3))
    assert marks.getbbox() is None, (quote, expected)


@pytest.mark.parametrize("shape", SHAPES)
def test_each_line_of_a_quote_is_covered_and_nothing_else(
    decoder: Decoder, tmp_path: Path, shape: str
) -> None:
    assert_marked(decoder, tmp_path, SHAPES[shape], "garden", [[WORDS[2]]])
    if shape != "upside down":  # then PDFium reads the words of a line from right to left
        lines = [[WORDS[3], WORDS[4]], [WORDS[5], WORDS[6]]]
        assert_marked(decoder, tmp_path, SHAPES[shape], "is closed\nuntil April", lines)


def test_a_word_divided_at_a_lines_end_has_two_boxes(decoder: Decoder, tmp_path: Path) -> None:
    assert_marked(decoder, tmp_path, PLAIN, "rainbows", [[("rain", 60, 100)], [WORDS[10]]])


def test_letters_on_a_dark_ground_are_marked_too(decoder: Decoder, tmp_path: Path) -> None:
    path = make_pdf(tmp_path / "dark.pdf", PLAIN, WORDS, more="0 0 300 200 re f 1 g\n")
    marks = changed(picture(decoder, path), picture(decoder, path, [(3, 9)]))
    assert marks.getbbox()


def test_letters_beyond_the_basic_plane_count_as_one(decoder: Decoder, tmp_path: Path) -> None:
    """A font whose A is a smiling face to whoever copies it."""
    cmap = "1 begincodespacerange <00> <ff> endcodespacerange 1 beginbfchar <41> <D83DDE00> endbfchar"
    path = Path(make_pdf(tmp_path / "face.pdf", PLAIN, [("A", 20, 160), ("garden", 55, 160)]))
    content = path.read_text("latin-1").replace("/WinAnsiEncoding", "/WinAnsiEncoding/ToUnicode 9 0 R")
    stream = f"9 0 obj <</Length {len(cmap)}>> stream\n{cmap}\nendstream endobj\ntrailer"
    path.write_text(content.replace("trailer", stream), "latin-1")
    text = decoder.decode(str(path)).pages[0].text
    assert text == "\U0001f600 garden"
    marks = changed(picture(decoder, str(path)), picture(decoder, str(path), [shown_span(text, 2, 8)]))
    box = ink(decoder, make_pdf(tmp_path / "word.pdf", PLAIN, [("garden", 55, 160)]))
    assert marks.getbbox() == pytest.approx(box, abs=3)


def test_spans_beyond_the_text_mark_nothing(decoder: Decoder, tmp_path: Path) -> None:
    path = make_pdf(tmp_path / "page.pdf", PLAIN, WORDS)
    assert changed(picture(decoder, path), picture(decoder, path, [(5_000, 6_000), (0, 0)])).getbbox() is None


def test_a_picture_no_answer_could_carry_is_made_smaller(decoder: Decoder, tmp_path: Path) -> None:
    noise = Image.merge("RGB", [Image.effect_noise((1200, 2400), 120) for _ in range(3)])
    noise.resize((2000, 4000), Image.Resampling.NEAREST).save(tmp_path / "noise.pdf", quality=95)
    jpeg = decoder.render_page(str(tmp_path / "noise.pdf"), 1, width_px=2000)
    assert Image.open(io.BytesIO(jpeg)).size == (2000, 4000)
    assert len(jpeg) <= 4_000_000
