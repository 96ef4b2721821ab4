"""Measures a picture without a model: colours, brightness, sharpness and flat areas."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

_SIDE_PX = 256
_COLOUR_NAMES = np.array(["red", "orange", "yellow", "green", "turquoise", "blue", "purple", "pink", "red"])
_HUE_ENDS_DEG = np.array([14, 42, 68, 160, 195, 258, 295, 340])
_MIN_SHARE = 0.12


@dataclass(frozen=True, kw_only=True, slots=True)
class Look:
    """Measurements of a picture: `colours` by area, largest first; `brightness`, 0 to 1.

    `flat_share` is the share of its area that is even, 0 to 1.
    """

    colours: tuple[str, ...]
    is_grey: bool
    brightness: float
    is_blurred: bool
    flat_share: float
    shape: str


def look_at(image: Image.Image) -> Look:
    """Measure an upright image."""
    rgb = image.convert("RGB")
    shape = _shape(rgb.width, rgb.height)
    rgb.thumbnail((_SIDE_PX, _SIDE_PX), Image.Resampling.BOX)
    hsv = np.asarray(rgb.convert("HSV"), np.float32)
    grey = np.asarray(rgb.convert("L"), np.float32)
    steps = np.abs(np.diff(grey, axis=1))
    laplacian = grey[1:-1, 1:-1] * 4 - grey[:-2, 1:-1] - grey[2:, 1:-1] - grey[1:-1, :-2] - grey[1:-1, 2:]
    saturation = hsv[..., 1] * hsv[..., 2] / 255
    return Look(
        colours=_colours(hsv),
        is_grey=bool(np.percentile(saturation, 99) < 26),
        brightness=float(grey.mean() / 255),
        is_blurred=bool(laplacian.size and laplacian.var() < 15),
        flat_share=float((steps < 1).mean()) if steps.size else 1.0,
        shape=shape,
    )


def _shape(width: int, height: int) -> str:
    if abs(width - height) <= 0.05 * max(width, height):
        return "square"
    return "landscape format" if width > height else "portrait format"


def _colours(hsv: NDArray[np.float32]) -> tuple[str, ...]:
    """Return up to three names of colours that each cover at least about an eighth of the area."""
    hue, saturation, value = hsv[..., 0].ravel() * (360 / 255), hsv[..., 1].ravel(), hsv[..., 2].ravel()
    names = _COLOUR_NAMES[np.searchsorted(_HUE_ENDS_DEG, hue)].astype("<U9")
    names[(hue > 14) & (hue <= 42) & (value < 170)] = "brown"
    weak = saturation * value < 26 * 255
    names[weak] = "grey"
    names[weak & (value > 205)] = "white"
    names[value < 50] = "black"
    found, counts = np.unique(names, return_counts=True)
    order = counts.argsort()[::-1]
    return tuple(str(found[i]) for i in order[:3] if counts[i] >= _MIN_SHARE * names.size)
