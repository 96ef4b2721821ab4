"""Reads the text in an image with RapidOCR (PP-OCRv4, Apache 2.0; its wheel has the models)."""

import threading
from dataclasses import dataclass
from math import atan2, cos, sin
from statistics import median

import numpy as np
from PIL import Image
from rapidocr_onnxruntime import RapidOCR
from rapidocr_onnxruntime.ch_ppocr_det.utils import DetPreProcess

from local.models.words import Words

_MAX_SIDE_PX = 2400  # at 2,000 the spaces between the words of a scanned page are lost
_FIND_SIDE_PX = 1280  # finding text needs less resolution than reading it; with more, lines break into pieces
_MIN_SCORE = 0.6


@dataclass(frozen=True, kw_only=True, slots=True)
class TextBox:
    """A run of text. Coordinates are in pixels, `angle` in radians clockwise from horizontal."""

    text: str
    x: float
    y: float
    height: float
    width: float
    angle: float


@dataclass(frozen=True, kw_only=True, slots=True)
class ReadText:
    """The text of an image: lines in reading order, joined by newlines. `area_share` is the text's share, 0 to 1."""

    text: str
    line_count: int
    area_share: float


class TextReader:
    """A reader that loads in half a second and takes 0.1 s per line of text.

    It reads one image at a time, as the engine keeps state.
    """

    model = "pp-ocr-v4"

    def __init__(self, words: Words) -> None:
        self._words = words
        # One thread: two spend 60 % more processor time on spinning, and gain little on a busy machine.
        # One line per batch: lines of a batch are padded to the widest one, which costs 10 to 20 %.
        # No check for lines that are upside down: it reports some on every page, and turns lines that are upright.
        self._engine = RapidOCR(
            intra_op_num_threads=1,
            inter_op_num_threads=1,
            rec_batch_num=1,
            use_cls=False,
            max_side_len=_MAX_SIDE_PX,
        )
        finder = self._engine.text_det
        # The finder's own limit does not go below 2,000 for a picture of this size.
        finder.get_preprocess = lambda _: DetPreProcess(_FIND_SIDE_PX, "max", finder.mean, finder.std)
        self._lock = threading.Lock()

    def read(self, image: Image.Image) -> ReadText:
        """Return the text in an upright image, without uncertain text and single characters."""
        rgb = image.convert("RGB")
        rgb.thumbnail((_MAX_SIDE_PX, _MAX_SIDE_PX), Image.Resampling.LANCZOS)
        with self._lock:
            found, _ = self._engine(np.asarray(rgb)[:, :, ::-1])
        boxes = [
            _box(corners, text)
            for corners, text, score in found or []
            if score >= _MIN_SCORE and sum(character.isalnum() for character in text) >= 2
        ]
        lines = [self._words.respaced(line) for line in reading_order(boxes)]
        area = sum(box.width * box.height for box in boxes) / (rgb.width * rgb.height)
        return ReadText(text="\n".join(lines), line_count=len(lines), area_share=min(area, 1.0))


def _box(corners: list[list[float]], text: str) -> TextBox:
    (x0, y0), (x1, y1), (x2, y2), (x3, y3) = corners
    return TextBox(
        text=text.strip(),
        x=(x0 + x3) / 2,
        y=(y0 + y1 + y2 + y3) / 4,
        height=((y3 - y0) + (y2 - y1)) / 2,
        width=((x1 - x0) + (x2 - x3)) / 2,
        angle=atan2(y1 - y0, x1 - x0),
    )


def reading_order(boxes: list[TextBox]) -> list[str]:
    """Return the lines from top to bottom, each read from left to right. The page may be turned a little."""
    if not boxes:
        return []
    turn = median(box.angle for box in boxes)
    placed = sorted((_unturned(box, turn) for box in boxes), key=lambda item: item[1])
    lines: list[list[tuple[float, float, TextBox]]] = []
    for item in placed:
        # Two boxes are on one line if their centres are closer than half of the smaller letter height.
        if lines and item[1] - lines[-1][-1][1] < 0.5 * min(item[2].height, lines[-1][-1][2].height):
            lines[-1].append(item)
        else:
            lines.append([item])
    return ["  ".join(box.text for _, _, box in sorted(line, key=lambda item: item[0])) for line in lines]


def _unturned(box: TextBox, turn: float) -> tuple[float, float, TextBox]:
    centre_x = box.x + box.width / 2
    return box.x * cos(turn) + box.y * sin(turn), box.y * cos(turn) - centre_x * sin(turn), box
