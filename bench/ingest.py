"""Measures how fast files are ingested, as a ratio to plain calls of Pillow and PDFium on the same files.

The plain code makes the same two pictures of a file as the decoder, with the libraries' everyday calls, in one
process without limits. An image is opened, turned upright, shrunk to 2,000 px and saved as JPEG, then shrunk to
512 px and saved again. Of a PDF the text is read, and page one is drawn at 2,000 px and saved in the same way. The
decoder uses a child process per file. Both run each file in turn, and the best of several rounds counts. The goal
is in bench/goals.toml.
"""

import argparse
import io
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from PIL import Image, ImageOps
from pypdfium2 import PdfDocument

from bench.figures import note
from chalicelib.errors import BadFile
from chalicelib.model.ingest.files import FileLimits, ReadBounds
from chalicelib.providers.ingest.decoder import Decoder

WHOLE = ReadBounds(pages=10_000, text_size=10**9, seconds=3600.0)
IMAGE_SUFFIXES = {".jpg", ".jpeg", ".png", ".webp", ".gif"}


def ingest_plainly(path: Path) -> None:
    """Read a file and make its pictures with plain calls of the libraries."""
    if path.suffix.lower() == ".pdf":
        with PdfDocument(path) as document:
            for page in document:
                page.get_textpage().get_text_bounded()
            width, height = document[0].get_size()
            save_pictures(document[0].render(scale=2000 / max(width, height)).to_pil())
        return
    with Image.open(path) as image:
        save_pictures(ImageOps.exif_transpose(image))


def save_pictures(picture: Image.Image) -> None:
    """Make a preview and a thumbnail as JPEG."""
    picture = picture.convert("RGB")
    for size_px in (2000, 512):
        picture.thumbnail((size_px, size_px))
        picture.save(io.BytesIO(), "JPEG", quality=85)


def best_seconds(works: Sequence[Callable[[Path], object]], path: Path, *, rounds: int) -> list[float]:
    """Return the seconds of the fastest of `rounds` runs of each. In every round all of them run in turn."""
    seconds: list[list[float]] = [[] for _ in works]
    for _ in range(rounds):
        for work, found in zip(works, seconds, strict=True):
            start = time.perf_counter()
            work(path)
            found.append(time.perf_counter() - start)
    return [min(found) for found in seconds]


def find_files(folder: Path, decoder: Decoder) -> list[Path]:
    """Return the images and PDFs in the folder, at any depth, that the decoder accepts."""
    taken = []
    for path in sorted(folder.rglob("*")):
        if path.suffix.lower() in IMAGE_SUFFIXES | {".pdf"}:
            try:
                decoder.decode(str(path))
            except BadFile:
                continue
            taken.append(path)
    return taken


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.ingest", description=__doc__)
    parser.add_argument("folder", type=Path, help="images and PDFs to measure with; bad ones are left out")
    parser.add_argument("--rounds", type=int, default=7, help="runs a file, of which the best counts")
    arguments = parser.parse_args()

    decoder = Decoder(limits=FileLimits())
    totals: dict[str, list[float]] = {}
    for path in find_files(arguments.folder, decoder):
        works = [ingest_plainly, lambda file: decoder.decode(str(file), bounds=WHOLE)]
        plain, ours = best_seconds(works, path, rounds=arguments.rounds)
        print(f"{plain * 1000:8.1f} ms plain {ours * 1000:8.1f} ms decoder {plain / ours:6.2f}  {path.name}")
        for name in ("pdf" if path.suffix.lower() == ".pdf" else "image", "all"):
            total = totals.setdefault(name, [0, 0.0, 0.0])
            total[0] += 1
            total[1] += plain
            total[2] += ours
    decoder.close()
    for name, (count, plain, ours) in totals.items():
        print(
            f"{name}: {count:.0f} files, {plain:.2f} s plain, {ours:.2f} s decoder, ratio {plain / ours:.2f}"
        )
    return 0 if totals and note("ingest.speed", totals["all"][1] / totals["all"][2]) else 1


if __name__ == "__main__":
    sys.exit(main())
