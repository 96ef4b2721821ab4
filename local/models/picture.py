"""Measures a picture without a model: colours, brightness and flat areas."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

_SIDE_PX = 256
_HUE_ENDS_DEG = np.array([14, 42, 68, 160, 195, 258, 295, 340])  # red, orange, yellow, green, ... red again
_BROWN, _GREY, _WHITE, _BLACK = 9, 10, 11, 12
_DARK = 0.25


@dataclass(frozen=True, kw_only=True, slots=True)
class Look:
    """Measurements of a picture. `flat_share` is the share of its area that is even, 0 to 1."""

    brightness: float  # 0 to 1
    is_paper: bool  # grey, or mostly white
    flat_share: float

    @property
    def is_dark(self) -> bool:
        return self.brightness < _DARK


def look_at(image: Image.Image) -> Look:
    """Measure an upright image."""
    rgb = image.convert("RGB")
    rgb.thumbnail((_SIDE_PX, _SIDE_PX), Image.Resampling.BOX)
    hsv = np.asarray(rgb.convert("HSV"), np.float32)
    grey = np.asarray(rgb.convert("L"), np.float32)
    steps = np.abs(np.diff(grey, axis=1))
    saturation = hsv[..., 1] * hsv[..., 2] / 255
    is_grey = bool(np.percentile(saturation, 99) < 26)
    return Look(
        brightness=float(grey.mean() / 255),
        is_paper=is_grey or _main_colour(hsv) == _WHITE,
        flat_share=float((steps < 1).mean()) if steps.size else 1.0,
    )


def _main_colour(hsv: NDArray[np.float32]) -> int:
    """Return the colour that covers most of the area: the position of its hue in _HUE_ENDS_DEG, or one of the names."""
    hue, saturation, value = hsv[..., 0].ravel() * (360 / 255), hsv[..., 1].ravel(), hsv[..., 2].ravel()
    colours = np.searchsorted(_HUE_ENDS_DEG, hue) % _HUE_ENDS_DEG.size
    colours[(hue > 14) & (hue <= 42) & (value < 170)] = _BROWN
    weak = saturation * value < 26 * 255
    colours[weak] = _GREY
    colours[weak & (value > 205)] = _WHITE
    colours[value < 50] = _BLACK
    return int(np.bincount(colours).argmax())
