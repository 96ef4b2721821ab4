"""The set of hostile files, made in code: the same files every time."""

import gzip
import io
import random
import zipfile
from collections.abc import Iterator
from pathlib import Path

from PIL import Image

from tests.hostile.images import Files, all_images, encode, plain, png, segment
from tests.hostile.pdfs import FREE, all_pdfs, pdf, stream
from tests.support.heif_files import avif_as_heif, heic

SAMPLES = Path(__file__).parents[2] / "samples"
PHOTO = "portrait-1984.jpg"
REAL = {
    name: (SAMPLES / name).read_bytes()
    for name in (PHOTO, "museum-tray.png", "back-wall.webp", "balcony-tomatoes.pdf")
}
MUTATIONS = 15  # of each of the four


def hostile_files() -> Files:
    """About 250 files by name. Each is to end READY or FAILED for a reason, and to harm nothing else."""
    found = {**all_images(), **all_pdfs(), **mislabelled(), **polyglots(), **dict(truncated())}
    return {**found, **dict(mutated(seed=3))}


def mislabelled() -> Files:
    """Files of another kind than their names say."""
    page, drawing = (
        b"<!doctype html><script>alert(1)</script>",
        b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>",
    )
    entities = b"<?xml version='1.0'?><!DOCTYPE a [<!ENTITY b 'ha'>]><a>&b;</a>"
    found = {
        "html": page,
        "svg": drawing,
        "xml": entities,
        "script": b"#!/bin/sh\nrm -rf /\n",
        "elf": b"\x7fELF" + bytes(99),
    }
    found |= {
        "gzip": gzip.compress(page, mtime=0),
        "zip": archive(),
        "postscript": b"%!PS-Adobe\n{} loop\n%%EOF",
        "nul": bytes(9_999),
    }
    found |= {
        "tiff": b"II*\0" + bytes(99),
        "bmp": b"BM" + b"\xff" * 99,
        "icon": b"\0\0\1\0" + bytes(99),
        "psd": b"8BPS" + bytes(99),
    }
    found |= {
        "avif": b"\0\0\0\x18ftypavif\0\0\0\0mif1miaf" + bytes(99),
        "video": b"\0\0\0\x18ftypmp42" + bytes(99),
    }
    return {
        **{f"{name}-as.jpg": content for name, content in found.items()},
        "empty.jpg": b"",
        "empty.pdf": b"",
        "byte.png": b"\x89",
        "signature.png": b"\x89PNG\r\n\x1a\n",
        "header.pdf": b"%PDF-1.7",
        "png-as.pdf": plain("PNG", (33, 44)),
        "pdf-as.png": pdf(content=b"BT /F 12 Tf 10 50 Td (Not a picture) Tj ET"),
        "jpeg-as.gif": plain("JPEG", (55, 66)),
        "heic-boxes.heic": b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + b"\0\0\0\x08meta" * 500,
        "heic-endless.heic": b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + b"\0\0\0\x01meta" + b"\xff" * 400,
        "av1-as.heic": avif_as_heif(),
        "heic-cut.heic": b"\0\0\0\x18ftypheic\0\0\0\0mif1heic\xff\xff\xff\xffmdat",
    }


def archive(name: str = "../../etc/passwd") -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as made:
        made.writestr(zipfile.ZipInfo(name, (2024, 1, 1, 0, 0, 0)), b"x" * 1000)
    return buffer.getvalue()


def polyglots() -> Files:
    """Files that are two things at once: what they are is decided by their first bytes."""
    jpeg, page = plain("JPEG", (70, 71)), b"<script>alert(document.domain)</script>"
    return {
        "jpeg-and-zip.jpg": jpeg + archive(),
        "pdf-and-zip.pdf": pdf(content=b"BT /F 12 Tf 10 50 Td (Two in one) Tj ET") + b"\n" + archive(),
        "zip-and-pdf.pdf": archive() + pdf(),
        "jpeg-with-pdf.pdf": jpeg[:2] + segment(0xFE, pdf()) + jpeg[2:],
        "pdf-with-jpeg.jpg": pdf({FREE: stream(jpeg, "/Filter/DCTDecode")}, content=b"% picture inside"),
        "png-and-html.png": png(8, 8) + page,
        "jpeg-with-html.html.jpg": jpeg[:2] + segment(0xFE, page) + jpeg[2:],
        "pdf-after-html.pdf": page + b"\n" + pdf(),
        "pdf-after-mail.pdf": b"Content-Type: application/pdf\r\n\r\n" + pdf(),
        "pdf-after-tiff.pdf": b"II*\0" + bytes(9) + pdf(),
        "gif-and-png.gif": plain("GIF", (20, 21)) + plain("PNG"),
    }


def truncated() -> Iterator[tuple[str, bytes]]:
    """Real files cut off at every eighth."""
    photo = Image.open(io.BytesIO(REAL[PHOTO])).resize((320, 240))
    whole = {Path(name).suffix[1:]: content for name, content in REAL.items()}
    whole |= {"jpg": encode(photo, "JPEG", progressive=True), "gif": encode(photo.convert("P"), "GIF")}
    whole |= {"heic": heic(128)}
    for kind, content in whole.items():
        for eighth in range(1, 8):
            yield f"cut-{eighth}.{kind}", content[: len(content) * eighth // 8]


def mutated(*, seed: int) -> Iterator[tuple[str, bytes]]:
    """Real files with bytes changed, taken out and put in; half of the changes near the beginning."""
    chance = random.Random(seed)
    for name, content in REAL.items():
        for number in range(MUTATIONS):
            changed = bytearray(content)
            for _ in range(chance.choice((1, 3, 10, 50))):
                within = chance.choice((min(800, len(changed)), len(changed)))
                at = chance.randrange(within)
                kind = chance.choice(("flip", "flip", "flip", "set", "drop", "insert", "repeat"))
                if kind == "flip":
                    changed[at] ^= 1 << chance.randrange(8)
                elif kind == "set":
                    changed[at : at + 4] = chance.choice(
                        (b"\0\0\0\0", b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff")
                    )
                elif kind == "drop":
                    del changed[at : at + chance.randrange(1, 64)]
                else:
                    changed[at:at] = chance.randbytes(8) if kind == "insert" else changed[at : at + 64]
            yield f"mutated-{number}-{name}", bytes(changed)
