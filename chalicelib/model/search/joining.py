"""Chooses chunks for an answer, best first, and joins those that stand together on a page."""

from collections import Counter
from collections.abc import Sequence

from msgspec import Struct

from chalicelib.model.ingest.chunking import estimate_tokens
from chalicelib.model.search.folding import Said
from chalicelib.model.search.ranking import min_max

Place = tuple[str, int, str]  # item, page number, source
MAX_GAP_CHARS = 200  # of white space between two chunks that are joined
_PAGE_SHARE = 0.3  # of a chunk's score that is its page's
_OF_THE_BEST = 0.4  # a chunk that scores less fills a budget with nothing
LIKE = 0.5  # cosine from which two neighbours are of one matter


class Piece(Struct, frozen=True, kw_only=True):
    """A chunk that could be chosen.

    `page_score` is its page's, 0..1; `words` its own BM25; `cosine` its own, and `likeness` its cosine with the
    chunk before it on the page, None without vectors.
    """

    page: Place
    ordinal: int
    char_start: int
    char_end: int
    text: str
    page_score: float
    words: float
    cosine: float | None
    likeness: float | None

    @property
    def tokens(self) -> int:
        return estimate_tokens(self.text)


def score_pieces(pieces: Sequence[Piece], *, semantic_weight: float) -> list[float]:
    """Each piece's score, 0..1: partly its page's, partly its own words and meaning, scaled over all of them."""
    words = min_max({n: piece.words for n, piece in enumerate(pieces)})
    cosines = min_max({n: piece.cosine for n, piece in enumerate(pieces) if piece.cosine is not None})
    return [
        _PAGE_SHARE * piece.page_score
        + (1 - _PAGE_SHARE) * ((1 - semantic_weight) * words[n] + semantic_weight * cosines.get(n, 0.0))
        for n, piece in enumerate(pieces)
    ]


def join_best(pieces: Sequence[Piece], scores: Sequence[float], *, max_tokens: int) -> list[list[int]]:
    """Places of pieces that have at most `max_tokens` together: runs in reading order, the best first.

    The best piece comes with the neighbours that are of the same matter, then the next best, while there is room;
    an item that has had three quarters of it waits for the others. What touches a run joins it, and what was said
    already is left out.
    """
    least = _OF_THE_BEST * max(scores, default=0.0)
    order = [n for n in sorted(range(len(pieces)), key=lambda n: (-scores[n], n)) if scores[n] >= least]
    joining = _Joining(pieces, max_tokens)
    for tokens_of_one in (max_tokens * 3 // 4, max_tokens):
        for n in order:
            if joining.spent[pieces[n].page[0]] < tokens_of_one:
                joining.take(n)
    best_first = sorted(joining.runs, key=lambda run: -max(scores[n] for n in run))
    return [sorted(run, key=lambda n: pieces[n].ordinal) for run in best_first]


class _Joining:
    """The runs so far, what they say, and what room they leave."""

    def __init__(self, pieces: Sequence[Piece], room: int) -> None:
        self.runs: list[list[int]] = []
        self._pieces = pieces
        self._at = {(piece.page, piece.ordinal): n for n, piece in enumerate(pieces)}
        self._said = Said()
        self._room = room
        self.spent: Counter[str] = Counter()  # tokens by item

    def take(self, n: int) -> None:
        """The piece and the neighbours that are like it, if they fit and are new."""
        if not self._fits(n) or self._said.repeats(self._pieces[n].text):
            return
        taken = [n]
        self._spend(n)
        for m in self._neighbours(n):
            if _alike(self._pieces[n], self._pieces[m]) and self._fits(m):
                taken.append(m)
                self._spend(m)
                self._said.add(self._pieces[m].text)
        self.runs = _with(self.runs, taken, {k for m in taken for k in self._neighbours(m)})

    def _fits(self, n: int) -> bool:
        return not any(n in run for run in self.runs) and self._pieces[n].tokens <= self._room

    def _spend(self, n: int) -> None:
        tokens = self._pieces[n].tokens
        self._room -= tokens
        self.spent[self._pieces[n].page[0]] += tokens

    def _neighbours(self, n: int) -> list[int]:
        """Those before and after it on the page, unless a megabyte of white space is between."""
        piece, found = self._pieces[n], []
        before, after = (self._at.get((piece.page, piece.ordinal + step)) for step in (-1, 1))
        if before is not None and piece.char_start - self._pieces[before].char_end <= MAX_GAP_CHARS:
            found.append(before)
        if after is not None and self._pieces[after].char_start - piece.char_end <= MAX_GAP_CHARS:
            found.append(after)
        return found


def _with(runs: list[list[int]], taken: list[int], touching: set[int]) -> list[list[int]]:
    """The runs and what was taken, which joins all those that it touches."""
    touched = [run for run in runs if not touching.isdisjoint(run)]
    if not touched:
        return [*runs, taken]
    joined = [n for run in touched for n in run] + taken
    return [joined if run is touched[0] else run for run in runs if run not in touched[1:]]


def _alike(one: Piece, other: Piece) -> bool:
    likeness = max(one, other, key=lambda piece: piece.ordinal).likeness
    return likeness is None or likeness >= LIKE
