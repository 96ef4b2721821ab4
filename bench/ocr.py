"""Measures how well the keyless reader reads: `python -m bench.ocr FOLDER`.

The folder has pictures of pages, and beside each a file of the same name with the suffix .txt, what is written on it.
"""

import argparse
import unicodedata
from pathlib import Path
from time import process_time

import numpy as np
from PIL import Image, ImageOps

from local.models.ocr import TextReader

PICTURES = (".png", ".jpg", ".jpeg", ".tif", ".webp")


def error_rate(expected: str, read: str) -> float:
    """Return the Levenshtein distance of two texts as a share of the expected one's length."""
    wanted, got = (np.frombuffer(text.encode("utf-32-le"), "<u4") for text in (expected, read))
    places = np.arange(got.size + 1)
    row = places
    for number, character in enumerate(wanted, start=1):
        changed = np.minimum(row[:-1] + (got != character), row[1:] + 1)
        # A character more in `read` costs 1 each: the running minimum of what is left of it.
        row = np.minimum.accumulate(np.concatenate(([number], changed)) - places) + places
    return float(row[-1]) / max(wanted.size, 1)


def plain(text: str, *, spaces: bool) -> str:
    """Return the text in NFKC with one space, or none, for each run of white space."""
    return (" " if spaces else "").join(unicodedata.normalize("NFKC", text).split())


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure the character error rate of the keyless reader.")
    parser.add_argument("folder", type=Path)
    folder: Path = parser.parse_args().folder
    reader = TextReader()
    print(f"{'':30} characters  errors  without spaces  CPU s a line   ({reader.model})")
    for path in sorted(each for each in folder.iterdir() if each.suffix.lower() in PICTURES):
        expected = path.with_suffix(".txt").read_text("utf-8")
        began = process_time()
        read = reader.read(ImageOps.exif_transpose(Image.open(path)))
        seconds = (process_time() - began) / max(read.line_count, 1)
        spaced, unspaced = (
            error_rate(plain(expected, spaces=spaces), plain(read.text, spaces=spaces))
            for spaces in (True, False)
        )
        print(f"{path.name:30} {len(expected):10}  {spaced:6.2%}  {unspaced:14.2%}  {seconds:12.2f}")


if __name__ == "__main__":
    main()
