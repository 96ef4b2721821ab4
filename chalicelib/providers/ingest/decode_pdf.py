"""Reads the text of PDFs and draws their pages. It reads hostile bytes, so it runs in the decoder's child only."""

import ctypes
import re
from collections.abc import Callable, Sequence
from time import monotonic

from PIL import Image
from pypdfium2 import PdfDocument, PdfiumError, PdfPage
from pypdfium2 import raw as pdfium
from pypdfium2.raw import FPDF_ERR_PASSWORD, FPDF_ERR_SECURITY, FPDF_ERR_SUCCESS

from chalicelib.errors import NotFound
from chalicelib.model.ingest.files import DecodedFile, FileLimits, Page, ReadBounds, bad_file, text_size
from chalicelib.providers.ingest.decode_image import PREVIEW_PX, clean_text, to_jpeg, to_thumbnail
from chalicelib.providers.ingest.page_marks import NOT_TEXT, mark_spans

MAX_RENDER_PX = 4000
MAX_JPEG_BYTES = 4_000_000  # a function's response has at most 6 MB, in base64
_MAX_POINT_PX = 4.0  # 288 dpi, so that a very small page does not become a huge picture
_STAMP_CHARS = 100  # a scanner, a court or a library stamps fewer characters on a scan
_OBJECTS_LOOKED_AT = 50  # a scan's picture is among the first; a drawing may have a million objects

_REASON_OF_ERROR = {
    FPDF_ERR_PASSWORD: "encrypted",
    FPDF_ERR_SECURITY: "encrypted",
    FPDF_ERR_SUCCESS: "no_pages",  # parsed but not opened: its page tree is missing or empty
}
_ScaleFor = Callable[[float, float], float]

_HYPHEN_BREAK = re.compile(
    "[\x02\ufffe](?:\r?\n)?"
)  # PDFium's marks for a word that is divided at the end of a line


def decode_pdf(file: str | bytes, *, limits: FileLimits, bounds: ReadBounds) -> DecodedFile:
    """Draw the first page and read the text of the first batch of pages. Raise BadFile."""
    end_at = monotonic() + bounds.seconds
    with _open(file, limits) as document:
        preview = _draw(document, 0, scale_for=_preview_scale, limits=limits)
        return DecodedFile(
            kind="pdf",
            media_type="application/pdf",
            width_px=preview.width,
            height_px=preview.height,
            page_count=len(document),
            pages=_read_pages(
                document, 1, left=limits.max_text_chars, limits=limits, bounds=bounds, end_at=end_at
            ),
            thumbnail_jpeg=to_jpeg(to_thumbnail(preview)),
            preview_jpeg=to_jpeg(preview),
            taken_at=None,
            camera=None,
            latitude=None,
            longitude=None,
            title=_read_title(document),
        )


def read_pdf_pages(
    path: str, *, first_page: int, text_size_left: int, limits: FileLimits, bounds: ReadBounds
) -> tuple[Page, ...]:
    """Return the text of a batch of pages from `first_page` on, at least one. Raise BadFile."""
    end_at = monotonic() + bounds.seconds
    with _open(path, limits) as document:
        if first_page > len(document):
            raise bad_file("corrupt", limits)
        return _read_pages(
            document, first_page, left=text_size_left, limits=limits, bounds=bounds, end_at=end_at
        )


def _read_title(document: PdfDocument) -> str | None:
    try:
        return clean_text(document.get_metadata_value("Title"), max_chars=300)
    except UnicodeDecodeError:  # half of a surrogate pair
        return None


def draw_pdf_page(
    path: str, page_number: int, *, width_px: int, spans: Sequence[tuple[int, int]], limits: FileLimits
) -> bytes:
    """Return a page as a JPEG with the spans marked: `width_px` wide, or narrower to be at most MAX_RENDER_PX high."""
    with _open(path, limits) as document:
        if not 1 <= page_number <= len(document):
            raise NotFound(f"The document has no page {page_number}.", code="no_such_page")
        picture = _draw(
            document,
            page_number - 1,
            scale_for=lambda width, height: min(width_px / width, MAX_RENDER_PX / height),
            limits=limits,
        )
        if spans:
            picture = mark_spans(picture, document[page_number - 1], spans)
    jpeg = to_jpeg(picture)
    return jpeg if len(jpeg) <= MAX_JPEG_BYTES else to_jpeg(picture, quality=35)


def _preview_scale(width: float, height: float) -> float:
    return min(PREVIEW_PX / max(width, height), _MAX_POINT_PX)


def _open(file: str | bytes, limits: FileLimits) -> PdfDocument:
    try:
        document = PdfDocument(file)
    except PdfiumError as error:
        raise bad_file(_REASON_OF_ERROR.get(error.err_code, "corrupt"), limits) from error
    if len(document) > limits.max_pages:
        raise bad_file("too_many_pages", limits)
    if len(document) == 0:
        raise bad_file("no_pages", limits)
    document.init_forms()  # otherwise values in forms are not drawn
    return document


def _draw(document: PdfDocument, index: int, *, scale_for: _ScaleFor, limits: FileLimits) -> Image.Image:
    """Return the page in RGBX, at `scale_for(width, height)` pixels a point."""
    try:
        page = document[index]
    except PdfiumError as error:
        raise bad_file("corrupt", limits) from error
    width, height = page.get_size()
    if not (0 < width < float("inf") and 0 < height < float("inf")):
        raise bad_file("corrupt", limits)
    # render() rounds up; the small margin keeps it from adding a pixel.
    scale = scale_for(width, height) * (1 - 1e-9)
    picture: Image.Image = page.render(scale=scale, rev_byteorder=True, prefer_bgrx=True).to_pil()
    return picture


def _read_pages(
    document: PdfDocument, first: int, *, left: int, limits: FileLimits, bounds: ReadBounds, end_at: float
) -> tuple[Page, ...]:
    """Return at least one page. `left` bounds the text of these and all following pages."""
    pages: list[Page] = []
    size = 0
    for index in range(first - 1, min(len(document), first - 1 + bounds.pages)):
        pages.append(_read_page(document, index, max_chars=left - size, limits=limits))
        size += text_size(pages[-1].text)
        if size >= bounds.text_size or monotonic() >= end_at:
            break
    return tuple(pages)


def _read_page(document: PdfDocument, index: int, *, max_chars: int, limits: FileLimits) -> Page:
    """Return a page; a broken page of a good document has no text."""
    try:
        page = document[index]
        text_page = page.get_textpage()
    except PdfiumError:
        return Page(number=index + 1, text="")
    # Checked before the text is copied. Cleaning removes a little, so twice the limit.
    if text_page.count_chars() > 2 * max_chars:
        raise bad_file("text_too_large", limits)
    text = clean_page_text(text_page.get_text_bounded())
    text_page.close()
    is_scan = _is_scan(page, text)
    page.close()
    if text_size(text) > max_chars:
        raise bad_file("text_too_large", limits)
    return Page(number=index + 1, text=text, is_scan=is_scan)


def _is_scan(page: PdfPage, text: str) -> bool:
    """Return whether the page shows something without text, or with a stamp's text on a picture of half the page."""
    if not text:
        return pdfium.FPDFPage_CountObjects(page) + pdfium.FPDFPage_GetAnnotCount(page) > 0
    if len(text) >= _STAMP_CHARS:
        return False
    width, height = page.get_size()
    objects = min(pdfium.FPDFPage_CountObjects(page), _OBJECTS_LOOKED_AT)
    return any(_picture_area(page, number) >= width * height / 2 for number in range(objects))


def _picture_area(page: PdfPage, number: int) -> float:
    """Return a picture's area in square points, 0 for other objects. Scanners' programs put pictures into forms."""
    thing = pdfium.FPDFPage_GetObject(page, number)
    if pdfium.FPDFPageObj_GetType(thing) not in (pdfium.FPDF_PAGEOBJ_IMAGE, pdfium.FPDF_PAGEOBJ_FORM):
        return 0.0
    left, bottom, right, top = edges = [ctypes.c_float() for _ in range(4)]
    if not pdfium.FPDFPageObj_GetBounds(thing, *edges):
        return 0.0
    return (right.value - left.value) * (top.value - bottom.value)


def clean_page_text(text: str) -> str:
    r"""Return the text with \n as line ends, divided words joined, and no control characters or lone surrogates."""
    text = _HYPHEN_BREAK.sub("", text).replace("\r\n", "\n").replace("\r", "\n")
    return NOT_TEXT.sub("", text).strip()
