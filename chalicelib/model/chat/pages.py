"""Reads the sentences of a page: whole ones, also over the break to the next page, without page furniture.

Furniture is what a printer repeats: the lines at the top and at the bottom of a page that its neighbours have too,
whatever their numbers are, and page numbers.
"""

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from itertools import takewhile
from statistics import median

from msgspec import Struct

from chalicelib.model.chat.citations import proves_something
from chalicelib.model.ingest.sentences import is_ended, sentence_spans

NEIGHBOURS = (
    2  # the pages before and behind that are compared: many books have other headers on odd and on even pages
)
EDGE_LINES = 3  # the lines at the top, and at the bottom, that may be furniture
MIN_FULL_LINE = 40  # letters; a shorter line before a page's end is a heading or the end of a paragraph
BOILERPLATE = 3
_LEAST_CAPITALS = 0.5  # where most sentences begin with a capital, one that does not has lost its beginning
MAX_HEADINGS = 2
MAX_RAGGED_LINE = 60  # text without a mark in lines shorter than this is a table, a list or a letterhead


class Part(Struct, frozen=True, kw_only=True):
    """A stored text of a page, from its character `start` on."""

    page: int
    start: int
    text: str


class Whole(Struct, frozen=True, kw_only=True):
    """A sentence, or a line of a table or list, with the places that it is from: two when it goes over a page's end.

    `heads` are the lines above that a table's line needs: its heading and its header. `is_line` tells such a line.
    """

    parts: tuple[Part, ...]
    heads: tuple[Part, ...] = ()
    is_line: bool = False

    @property
    def text(self) -> str:
        return "\n".join(part.text for part in self.parts)


def read_page(own: Part, edges: Mapping[int, tuple[Part, Part]]) -> list[Whole]:
    """Return the sentences that `own`, a part of a page's text, has, in order.

    `edges` are the first and the last text of `own`'s page and of its neighbours, by page.
    """
    page = own.page
    first, last = edges.get(page, (own, own))
    is_top = own.start <= first.start
    is_bottom = own.start + len(own.text) >= last.start + len(last.text)
    running = _Running()
    if is_top and page - 1 in edges:
        running.add(_without_furniture(edges[page - 1][1], edges))
    running.add(_without_furniture(own, edges))
    if is_bottom and page + 1 in edges:
        running.add(_without_furniture(edges[page + 1][0], edges))
    spans = list(sentence_spans(running.text))
    has_capitals = _has_capitals([running.text[start] for start, _ in spans])
    begins, ends = running.own(page)
    found = list[Whole]()
    for n, (start, end) in enumerate(spans):
        lacks_beginning = n == 0 and running.starts[0][1].start > 0 and not is_top
        lacks_end = n == len(spans) - 1 and not is_ended(running.text[start:end]) and not is_bottom
        is_cut = lacks_beginning or lacks_end or (has_capitals and running.text[start].islower())
        if not is_cut and begins < end and start < ends:
            found += _wholes(running, start, end)
    return found


class _Running:
    """The texts of following pages as one text."""

    def __init__(self) -> None:
        self.text = ""
        self.starts: list[tuple[int, Part]] = []  # where each part begins in the text

    def add(self, part: Part | None) -> None:
        if part is None:
            return
        if self.text:
            self.text += "\n" if _goes_on(self.text, part.text) else "\n\n"
        self.starts.append((len(self.text), part))
        self.text += part.text

    def own(self, page: int) -> tuple[int, int]:
        """Return (start, end) of the page's part in the text."""
        places = [(at, at + len(part.text)) for at, part in self.starts if part.page == page]
        return (places[0][0], places[-1][1]) if places else (0, 0)

    def parts(self, start: int, end: int) -> tuple[Part, ...]:
        found = []
        for at, part in self.starts:
            a, b = max(start, at), min(end, at + len(part.text))
            if a < b:
                found.append(Part(page=part.page, start=part.start + a - at, text=part.text[a - at : b - at]))
        return tuple(found)


def _wholes(running: _Running, start: int, end: int) -> Iterator[Whole]:
    """Yield the sentence with at most MAX_HEADINGS lines above it, or each line of a table, a list or a letterhead."""
    text = running.text[start:end]
    lines = _rows(text)
    whole = _own_lines(text, lines) if is_ended(text) else len(lines) - 1
    has_rows = any(text[b - 1].isdigit() for _, b in lines[:whole])
    if whole <= MAX_HEADINGS and not has_rows and (is_ended(text) or len(lines) == 1):
        yield Whole(parts=running.parts(start, end))
        return
    if is_ended(text):
        heading = whole - 1 if text[lines[whole - 1][1] - 1].isalpha() else whole
        lines[heading:] = [(lines[heading][0], len(text))]
    yield from _lines_apart(running, start, text, lines)


def _lines_apart(
    running: _Running, start: int, text: str, lines: Sequence[tuple[int, int]]
) -> Iterator[Whole]:
    """Yield each line with the heads of its table; the last one as a sentence if it is one.

    A line that is too short to be quoted alone, as a figure below its name, is taken with those above it.
    """
    rows = _first_row([text[a:b].strip() for a, b in lines])
    heads = running.parts(start, start + lines[rows - 1][1]) if rows else ()
    for n, (a, b) in enumerate(lines):
        if is_ended(text[a:b]):
            yield Whole(parts=running.parts(start + a, start + b))
            continue
        first = n
        while first > max(0, n - EDGE_LINES) and not proves_something(text[lines[first][0] : b]):
            first -= 1
        above = heads if first >= rows else ()
        yield Whole(parts=running.parts(start + lines[first][0], start + b), heads=above, is_line=True)


def _own_lines(text: str, lines: Sequence[tuple[int, int]]) -> int:
    """Return how many lines stand above those of the sentence itself: they do not fill their line."""
    for n in range(len(lines) - 1, 0, -1):
        (a, b), below = lines[n - 1], text[lines[n][0] : lines[n][1]].lstrip()
        if not (below[:1].islower() or b - a >= MIN_FULL_LINE or text[b - 1] in ",;-–—、，"):
            return n
    return 0


def _rows(text: str) -> list[tuple[int, int]]:
    """Return the places of the lines of a table or list; the text as one if it is running text without an end mark.

    A line that begins with a small letter goes on with the line above it, and a figure alone is that line's.
    """
    lines = [match.span() for match in re.finditer(r"[^\n]+", text)]
    if median(b - a for a, b in lines) >= MAX_RAGGED_LINE:
        return [(0, len(text))]
    rows = list[tuple[int, int]]()
    for a, b in lines:
        line, above = text[a:b].strip(), text[slice(*rows[-1])] if rows else ""
        is_figure = _patterns()[2].match(line) is not None and above[-1:].isalpha()
        if rows and (line[:1].islower() or is_figure):
            rows[-1] = (rows[-1][0], b)
        else:
            rows.append((a, b))
    return rows


def _first_row(lines: Sequence[str]) -> int:
    """Return the position of a table's first row: words with a number behind them. 0 if there is none near the top."""
    for n, line in enumerate(lines[: EDGE_LINES + 1]):
        words = line.split()
        if len(words) > 1 and words[-1].strip("%)")[-1:].isdigit() and words[0][:1].isalpha():
            return n
    return 0


def _has_capitals(beginnings: Sequence[str]) -> bool:
    cased = [char for char in beginnings if char.isupper() or char.islower()]
    return sum(char.isupper() for char in cased) > _LEAST_CAPITALS * len(cased)


def _goes_on(before: str, after: str) -> bool:
    """Return whether a page's text goes on with that of the next page."""
    if is_ended(before) or not after:
        return False
    last, first = before.rsplit("\n", 1)[-1], after.split("\n", 1)[0]
    if after[0].islower() or before[-1] in ",;-–—、，":
        return True
    least = MIN_FULL_LINE if after[0].isascii() or after[0].isupper() else MIN_FULL_LINE // 3
    return len(last) >= least and len(first) >= least and after[0].isalpha()


def _without_furniture(part: Part, edges: Mapping[int, tuple[Part, Part]]) -> Part | None:
    """Return a part of a page without the lines at the page's edges that are furniture; None if nothing is left."""
    if part.page not in edges:
        return part
    near = range(part.page - NEIGHBOURS, part.page + NEIGHBOURS + 1)
    others = [edges[n] for n in near if n != part.page and n in edges]
    tops = {_key(line) for first, _ in others for line in _lines(first.text)[:EDGE_LINES]}
    bottoms = {_key(line) for _, last in others for line in _lines(last.text)[-EDGE_LINES:]}
    first, last = edges[part.page]
    begins = first.start + _height(first.text, _lines(first.text)[:EDGE_LINES], tops)
    ends = last.start + _depth(last.text, _lines(last.text)[-EDGE_LINES:], bottoms)
    return _cut(part, begins, ends)


def _height(text: str, lines: Sequence[str], repeated: set[str]) -> int:
    """Return where the text begins behind the furniture at its top."""
    at = 0
    for line in takewhile(lambda line: _is_furniture(line, repeated), lines):
        at = text.find(line, at) + len(line)
    return at


def _depth(text: str, lines: Sequence[str], repeated: set[str]) -> int:
    """Return where the text ends before the furniture at its bottom."""
    at = len(text)
    for line in takewhile(lambda line: _is_furniture(line, repeated), reversed(lines)):
        at = text.rfind(line, 0, at)
    return at


def _is_furniture(line: str, repeated: set[str]) -> bool:
    return _key(line) in repeated or _patterns()[0].match(line) is not None


def _cut(part: Part, begins: int, ends: int) -> Part | None:
    start, end = max(part.start, begins), min(part.start + len(part.text), ends)
    text = part.text[start - part.start : max(0, end - part.start)]
    shown = text.strip()
    return Part(page=part.page, start=start + len(text) - len(text.lstrip()), text=shown) if shown else None


def _lines(text: str) -> list[str]:
    return [line for line in text.split("\n") if line.strip()]


def _key(line: str) -> str:
    return _patterns()[1].sub("#", " ".join(line.lower().split()))


@cache
def _patterns() -> tuple[re.Pattern[str], ...]:
    number = re.compile(
        r"\W*(?:(?:page|seite|p\.|s\.|página|pagina|стр\.|第)\s*)?(?:\d{1,4}|[ivxl]{1,6})(?:\s*(?:of|von|/|de|sur|di)\s*\d{1,4})?"
        r"(?:\s*页|\s*ページ)?\W*\Z",
        re.IGNORECASE,
    )
    return number, re.compile(r"\d+"), re.compile(r"\D{0,3}\d[\d.,' ]*\D{0,3}\Z")


def repeated(texts: Sequence[str]) -> list[bool]:
    """Return for each text whether it stands there three times or more, with other numbers or the same: boilerplate."""
    keys = list(map(_key, texts))
    counts = Counter(keys)
    return [counts[key] >= BOILERPLATE for key in keys]
