"""Puts the runs of text that were found on a page into reading order, column by column."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import cos, inf, sin
from statistics import median

# A side of a gutter is a column if it has so many lines of prose, and they are at least half of its boxes. A line of
# prose is eight times as wide as high, about 20 letters: so a form's or a table's rows are read across.
_COLUMN_LINES = 4
_PROSE_WIDTH = 8


@dataclass(frozen=True, kw_only=True, slots=True)
class TextBox:
    """A run of text. Coordinates are in pixels, `angle` in radians clockwise from horizontal.

    `x` is the left edge's, `y` the centre's.
    """

    text: str
    x: float
    y: float
    height: float
    width: float
    angle: float

    @property
    def right(self) -> float:
        return self.x + self.width

    @property
    def is_prose(self) -> bool:
        return self.width >= _PROSE_WIDTH * self.height


def reading_order(boxes: Sequence[TextBox]) -> list[str]:
    """Return the lines in reading order, each read from left to right. The page may be turned a little.

    Columns of prose are read one after the other; what crosses them, such as a heading, ends them.
    """
    if not boxes:
        return []
    turn = median(box.angle for box in boxes)
    upright = [_unturned(box, turn) for box in boxes]
    return [line for block in _blocks(upright) for line in _lines(block)]


def _blocks(boxes: list[TextBox]) -> list[list[TextBox]]:
    """Return the boxes as blocks without a gutter, in reading order."""
    gutter = _gutter(boxes)
    if gutter is None:
        return [boxes] if boxes else []
    crossing = sorted((box for box in boxes if box.x < gutter < box.right), key=lambda box: box.y)
    blocks, top = list[list[TextBox]](), -inf
    for bar in [*crossing, None]:
        bottom = bar.y if bar else inf
        band = [box for box in boxes if top < box.y < bottom and box not in crossing]
        blocks += _blocks([box for box in band if box.right <= gutter])
        blocks += _blocks([box for box in band if box.x >= gutter])
        if bar:
            blocks.append([bar])
            top = bar.y
    return blocks


def _gutter(boxes: list[TextBox]) -> float | None:
    """Return the x between two columns that the fewest boxes cross, None if there are no two columns."""
    best: tuple[int, float] | None = None
    for gutter in {box.x for box in boxes}:
        left = [box for box in boxes if box.right <= gutter]
        right = [box for box in boxes if box.x >= gutter]
        crossing = len(boxes) - len(left) - len(right)
        is_better = best is None or (crossing, gutter) < best
        if is_better and 2 * crossing <= len(left) + len(right) and _are_columns(left, right):
            best = crossing, gutter
    return best[1] if best else None


def _are_columns(left: list[TextBox], right: list[TextBox]) -> bool:
    for side in (left, right):
        prose = sum(box.is_prose for box in side)
        if prose < _COLUMN_LINES or 2 * prose < len(side):
            return False
    spans = [(min(box.y for box in side), max(box.y for box in side)) for side in (left, right)]
    shared = min(bottom for _, bottom in spans) - max(top for top, _ in spans)
    return 2 * shared >= min(bottom - top for top, bottom in spans)


def _lines(boxes: list[TextBox]) -> list[str]:
    lines: list[list[TextBox]] = []
    for box in sorted(boxes, key=lambda box: box.y):
        # Two boxes are on one line if their centres are closer than half of the smaller letter height.
        last = lines[-1][-1] if lines else None
        if last and box.y - last.y < 0.5 * min(box.height, last.height):
            lines[-1].append(box)
        else:
            lines.append([box])
    return ["  ".join(box.text for box in sorted(line, key=lambda box: box.x)) for line in lines]


def _unturned(box: TextBox, turn: float) -> TextBox:
    centre_x = box.x + box.width / 2
    x, y = box.x * cos(turn) + box.y * sin(turn), box.y * cos(turn) - centre_x * sin(turn)
    return replace(box, x=x, y=y, angle=0.0)
