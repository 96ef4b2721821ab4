"""Files that the decoder refuses, and the reasons."""

import io
import re
import zlib

import pytest
from PIL import Image
from pypdfium2 import PdfDocument

from chalicelib.errors import BadFile
from chalicelib.model.ingest.files import ReadBounds, bad_file, sniff_media_type
from tests.support.small_files import LIMITS, NOISE, RED, encode, make_pdf, text_at

PRINTER = b"\x1b%-12345X@PJL JOB\r\n@PJL ENTER LANGUAGE=PDF\r\n"


def png_header(width: int, height: int) -> bytes:
    whole = encode(Image.new("1", (1, 1)), "PNG")
    header = b"IHDR" + width.to_bytes(4, "big") + height.to_bytes(4, "big") + whole[24:29]
    return whole[:12] + header + zlib.crc32(header).to_bytes(4, "big") + whole[33:]


def make_locked_pdf() -> bytes:
    """Return a PDF whose standard security handler accepts no empty password."""
    locked = (
        "/Encrypt<</Filter/Standard/V 1/R 2/P -4/O<" + "11" * 32 + ">/U<" + "22" * 32 + ">>>/ID[<00><00>]"
    )
    return make_pdf(text_at("secret")).replace(b"/Info 4 0 R", locked.encode())


def make_pdf_without_pages() -> bytes:
    buffer = io.BytesIO()
    PdfDocument.new().save(buffer)
    return buffer.getvalue()


BAD_FILES = {
    "empty_file": lambda: b"",
    "unsupported_format": lambda: b"<html><body>not an image</body></html>",
    "truncated": lambda: encode(NOISE, "JPEG")[:5000],
    "corrupt": lambda: encode(NOISE, "PNG")[:2000] + bytes(500) + encode(NOISE, "PNG")[2500:],
    "encrypted": make_locked_pdf,
    "too_large": lambda: b"\xff\xd8\xff" + bytes(LIMITS.max_bytes),
    "too_many_pixels": lambda: png_header(6000, 6000),
    "too_many_pages": lambda: make_pdf(*[""] * 6),
    "no_pages": make_pdf_without_pages,
    "text_too_large": lambda: make_pdf(text_at("many words " * 60), media_box="0 0 9000 100"),
}


@pytest.mark.parametrize("code", BAD_FILES)
def test_a_bad_file_is_refused_with_its_reason(decoder, save, code):
    with pytest.raises(BadFile) as refused:
        decoder.decode(save(BAD_FILES[code](), "photo.jpg"))
    assert refused.value.code == code
    assert "{" not in refused.value.message


@pytest.mark.parametrize(
    "head",
    [
        b"\x89PNG\r\n\x1a\n",
        b"%PDF-1.7\n",
        b"GIF89a",
        b"RIFF\xff\xff\0\0WEBP",
        b"\xff\xd8\xff\xe0",
        PRINTER + b"%PDF-1",
    ],
)
def test_a_mere_beginning_is_truncated(decoder, save, head):
    with pytest.raises(BadFile) as refused:
        decoder.decode(save(head))
    assert refused.value.code == "truncated"


def indexed_pdf(before: bytes, *, counted_from: int) -> bytes:
    """Return a PDF behind other bytes. The table of its objects counts offsets from the PDF's first byte."""
    buffer = io.BytesIO()
    PdfDocument(make_pdf(text_at("First"), text_at("Second"))).save(buffer)
    objects, table = re.split(rb"(?=\bxref\r\n)", buffer.getvalue())

    def moved(offset: re.Match[bytes]) -> bytes:
        return b"%0*d" % (len(offset[0]), int(offset[0]) + counted_from)

    return before + objects + re.sub(rb"\d+(?= 00000 n|\r\n%%EOF)", moved, table)


@pytest.mark.parametrize(
    "before", [PRINTER, b"From: a@b.example\r\n" * 40, bytes(1019)], ids=["printer", "mail", "zeros"]
)
@pytest.mark.parametrize("from_the_file", [False, True])
def test_a_pdf_may_come_after_other_bytes(decoder, save, before, from_the_file):
    counted_from = len(before) if from_the_file else 0
    path = save(indexed_pdf(before, counted_from=counted_from) + b"\r\n\x1b%-12345X@PJL EOJ\r\n")
    found = decoder.decode(path, declared_media_type="application/pdf")
    assert [page.text for page in found.pages] == ["First", "Second"]
    assert decoder.read_pages(path, 2, text_size_left=99, bounds=ReadBounds())[0].text == "Second"
    assert decoder.render_page(path, 2, width_px=200)


def test_a_file_that_costs_too_much_has_one_reason_in_words():
    """The load of the machine decides which of the two bounds stops the same file."""
    in_time, in_memory = bad_file("too_slow", LIMITS), bad_file("too_much_memory", LIMITS)
    assert in_time.message == in_memory.message
    assert all(named in in_time.message for named in ("10 seconds", "209,715,200 bytes"))


def test_content_decides_and_the_declared_type_only_tells_images_from_pdfs(decoder, save):
    jpeg = save(encode(RED, "JPEG"))
    assert decoder.decode(jpeg, declared_media_type="image/png").media_type == "image/jpeg"
    assert decoder.decode(jpeg, declared_media_type="application/octet-stream").media_type == "image/jpeg"
    with pytest.raises(BadFile) as refused:
        decoder.decode(jpeg, declared_media_type="application/pdf")
    assert refused.value.code == "mislabelled"


@pytest.mark.parametrize(
    ("head", "media_type"),
    [
        (b"\0\0\0\x18ftypmif1\0\0\0\0mif1heic", "image/heic"),
        (b"\0\0\0\x18ftypmif1\0\0\0\0mif1avif", None),
        (b"\0\0\0\x18ftypavif\0\0\0\0mif1miaf", None),
        (b"\xef\xbb\xbf\r\n%PDF-1.4", "application/pdf"),
        (b"Received: from a\r\n\r\n%PDF-1.4", "application/pdf"),
        (b"MIME-Version: 1.0\r\nBM: no bitmap\r\n%PDF-1.4", "application/pdf"),
        (b"<br />\n<b>Warning</b>: unset\n%PDF-1.4", "application/pdf"),
        (bytes(1019) + b"%PDF-1.4", "application/pdf"),
        (bytes(1020) + b"%PDF-1.4", None),
        (b"<!DOCTYPE HTML>\n%PDF-1.4", None),
        (b"\n <?xml version='1.0'?>%PDF-1.4", None),
        (b"PK\3\4\n%PDF-1.4", None),
        (b"BM\0\1\0\0\0\0\0\0%PDF-1.4", None),
        (b"\0\0\0\x18ftypmp42\0\0\0\0%PDF-1.4", None),
        (b"\x89PNG\r\n\x1a\n%PDF-1.4", "image/png"),
        (b"\xff\xd8\xff\xfe\0\x10%PDF-1.4", "image/jpeg"),
        (b"GIF89a %PDF-1.4", "image/gif"),
        (b"PK\3\4", None),
        (b"", None),
    ],
)
def test_the_first_bytes_tell_the_type(head, media_type):
    assert sniff_media_type(head) == media_type
