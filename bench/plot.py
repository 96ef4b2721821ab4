"""Draws a run of the benchmarks as SVG: each figure as a part of its goal, so that a bar beyond the line misses it."""

from typing import Any
from xml.sax.saxutils import escape

NAMES_PX, BARS_PX, ROW_PX, MARGIN_PX = 220, 420, 20, 24
MOST = 3.0  # goals; a longer bar is cut
COLOURS = {"held": "#2a7a4f", "missed": "#c98a1b", "worse": "#b3312b"}


def plot(run: dict[str, Any]) -> str:
    """Return the picture of a run, a row a figure."""
    rows = [_row(number, figure) for number, figure in enumerate(run["figures"])]
    height = len(rows) * ROW_PX + 2 * MARGIN_PX
    goal_px = NAMES_PX + BARS_PX / MOST
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{NAMES_PX + BARS_PX + 160}" height="{height}"'
        ' font-family="sans-serif" font-size="12">\n'
        f'<rect width="100%" height="100%" fill="white"/>\n'
        f'<text x="4" y="16">{escape(run["commit"])}, {escape(run["at"])}: figures as parts of their goals</text>\n'
        + "".join(rows)
        + f'<line x1="{goal_px:.0f}" x2="{goal_px:.0f}" y1="{MARGIN_PX}" y2="{height - MARGIN_PX}" stroke="black"/>\n'
        f'<text x="{goal_px:.0f}" y="{height - 6}" text-anchor="middle">the goal</text>\n</svg>\n'
    )


def part_of_goal(figure: dict[str, Any]) -> float:
    """Return how much of its bound a figure takes: over 1 misses it. What is to be 0 counts 1 for each one more."""
    value, goal = float(figure["value"]), float(figure["goal"])
    if not goal:
        return value + 1 if value else 0.0
    return goal / value if figure["is_least"] and value else value / goal


def _row(number: int, figure: dict[str, Any]) -> str:
    top = MARGIN_PX + number * ROW_PX
    width = BARS_PX / MOST * min(part_of_goal(figure), MOST)
    text = f"{figure['value']:g} {figure['unit']}"
    return (
        f'<text x="{NAMES_PX - 8}" y="{top + 14}" text-anchor="end">{escape(figure["name"])}</text>'
        f'<rect x="{NAMES_PX}" y="{top + 3}" width="{width:.0f}" height="{ROW_PX - 6}"'
        f' fill="{COLOURS[figure["state"]]}"/>'
        f'<text x="{NAMES_PX + width + 6:.0f}" y="{top + 14}">{escape(text)}</text>\n'
    )
