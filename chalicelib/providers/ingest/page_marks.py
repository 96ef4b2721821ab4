"""Marks quotes on the picture of their page. It reads hostile bytes, so it runs in the decoder's child only."""

import ctypes
import re
from collections.abc import Iterator, Sequence
from itertools import groupby, islice

from PIL import Image
from pypdfium2 import PdfPage, PdfTextPage
from pypdfium2 import raw as pdfium

NOT_TEXT = re.compile("[\x00-\x08\x0b-\x1f\x7f\ud800-\udfff\ufffe\uffff]")
YELLOW = (255, 226, 0)
OPACITY = 0.4
_LINE_ENDS = "\r\n\x02\ufffe"  # at the last two a word is divided

Box = tuple[float, float, float, float]  # on the page, in points: left, bottom, right, top


def mark_spans(picture: Image.Image, page: PdfPage, spans: Sequence[tuple[int, int]]) -> Image.Image:
    """Return the picture with a translucent box over each line of each span.

    A span counts the characters of the page's text without white space; see model.page_text.shown_span.
    """
    marked = picture.convert("RGB")
    for box in _lines(page, spans):
        area = _on_picture(box, page, marked.size)
        part = marked.crop(area)
        marked.paste(Image.blend(part, Image.new("RGB", part.size, YELLOW), OPACITY), area)
    return marked


def _lines(page: PdfPage, spans: Sequence[tuple[int, int]]) -> list[Box]:
    text_page = page.get_textpage()
    most = max((end for _, end in spans), default=0)
    shown = list(islice(_shown_characters(text_page, page.get_bbox()), most))
    text_page.close()
    return [
        _around([box for _, box in line])
        for start, end in spans
        for _, line in groupby(shown[start:end], key=lambda character: character[0])
    ]


def _shown_characters(text_page: PdfTextPage, bounds: Box) -> Iterator[tuple[int, Box]]:
    """Yield (number of the line, box) for each character that decode_pdf reads, except white space."""
    corners = [ctypes.c_double() for _ in range(4)]
    line = 0
    for index in range(text_page.count_chars()):
        code = pdfium.FPDFText_GetUnicode(text_page, index)
        line += chr(code) in _LINE_ENDS
        # A surrogate pair comes as two characters; the first one counts.
        is_pair = code >> 10 == 0x36 and pdfium.FPDFText_GetUnicode(text_page, index + 1) >> 10 == 0x37
        if not is_pair and (chr(code).isspace() or NOT_TEXT.match(chr(code))):
            continue
        if not pdfium.FPDFText_GetCharBox(text_page, index, *corners):
            continue
        left, right, bottom, top = (corner.value for corner in corners)
        box = (max(left, bounds[0]), max(bottom, bounds[1]), min(right, bounds[2]), min(top, bounds[3]))
        # PDFium reads characters that are at least partly within the bounds.
        if box[0] < box[2] and box[1] < box[3]:
            yield line, box


def _around(boxes: Sequence[Box]) -> Box:
    lefts, bottoms, rights, tops = zip(*boxes, strict=True)
    return min(lefts), min(bottoms), max(rights), max(tops)


def _on_picture(box: Box, page: PdfPage, size: tuple[int, int]) -> tuple[int, int, int, int]:
    """Return the box on the page's picture, at least one pixel large, for any rotation and crop box of the page."""
    x, y = ctypes.c_int(), ctypes.c_int()
    corners = []
    for across, up in (box[:2], box[2:]):
        pdfium.FPDF_PageToDevice(page, 0, 0, *size, 0, across, up, x, y)
        corners.append((x.value, y.value))
    (left, right), (top, bottom) = (sorted(ends) for ends in zip(*corners, strict=True))
    left, top = min(max(left, 0), size[0] - 1), min(max(top, 0), size[1] - 1)
    return left, top, max(min(right, size[0]), left + 1), max(min(bottom, size[1]), top + 1)
