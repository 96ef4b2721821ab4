"""PDFs of many pages, with a cross-reference table, as large as one likes."""

import os
from collections.abc import Iterable, Iterator


def make_long_pdf(texts: Iterable[str], *, image_px: int = 0) -> bytes:
    """Return a PDF with a page for each text, in Helvetica, over a random grey image of `image_px` squared."""
    return b"".join(long_pdf_parts(list(texts), image_px=image_px))


def long_pdf_parts(texts: list[str], *, image_px: int = 0) -> Iterator[bytes]:
    """Yield the same piece by piece."""
    offsets, position = [0], 0
    for part in (b"%PDF-1.4\n", *_objects(texts, image_px)):
        if part.endswith(b"endobj\n"):
            offsets.append(position)
        position += len(part)
        yield part
    table = "".join(f"{offset:010d} 00000 n \n" for offset in offsets[1:])
    size = len(offsets)
    yield f"xref\n0 {size}\n0000000000 65535 f \n{table}trailer <</Size {size}/Root 1 0 R>>\n".encode()
    yield f"startxref\n{position}\n%%EOF".encode()


def _objects(texts: list[str], image_px: int) -> Iterator[bytes]:
    kids = " ".join(f"{4 + 3 * index} 0 R" for index in range(len(texts)))
    yield b"1 0 obj <</Type/Catalog/Pages 2 0 R>> endobj\n"
    yield f"2 0 obj <</Type/Pages/Count {len(texts)}/Kids[{kids}]/MediaBox[0 0 600 800]>> endobj\n".encode()
    yield b"3 0 obj <</Type/Font/Subtype/Type1/BaseFont/Helvetica/Encoding/WinAnsiEncoding>> endobj\n"
    for index, text in enumerate(texts):
        page = 4 + 3 * index
        used = f"/Resources<</Font<</F 3 0 R>>/XObject<</I {page + 2} 0 R>>>>"
        yield f"{page} 0 obj <</Type/Page/Parent 2 0 R/Contents {page + 1} 0 R{used}>> endobj\n".encode()
        lines = "".join(f"({line}) Tj T*\n" for line in text.split("\n"))
        behind = "q 600 0 0 800 0 0 cm /I Do Q\n" if image_px else ""
        drawn = f"{behind}BT /F 9 Tf 11 TL 20 780 Td\n{lines}ET".encode("cp1252")
        yield b"%d 0 obj <</Length %d>> stream\n%b\nendstream endobj\n" % (page + 1, len(drawn), drawn)
        image = f"/Width {image_px}/Height {image_px}/ColorSpace/DeviceGray/BitsPerComponent 8"
        pixels = os.urandom(image_px * image_px)
        head = f"{page + 2} 0 obj <</Type/XObject/Subtype/Image{image}/Length {len(pixels)}>> stream\n"
        yield head.encode() + pixels + b"\nendstream endobj\n"
