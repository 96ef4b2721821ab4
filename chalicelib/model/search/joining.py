"""Chooses chunks for an answer, best first, and joins chunks that are neighbours on a page."""

from collections import Counter
from collections.abc import Sequence

from msgspec import Struct

from chalicelib.model.ingest.chunking import most_tokens
from chalicelib.model.search.folding import SeenPassages
from chalicelib.model.search.ranking import min_max

Place = tuple[str, int, str]  # item, page number, source
MAX_GAP_CHARS = 200  # the most white space between two chunks that are joined
_PAGE_SHARE = 0.3  # the page's share in a chunk's score
_MIN_SHARE_OF_BEST = 0.4  # a chunk below this share of the best score is not chosen, even if there is room
MIN_LIKENESS = 0.5  # neighbours with at least this cosine are about the same subject


class Piece(Struct, frozen=True, kw_only=True):
    """A chunk that can be chosen.

    `page_score` is the score of its page, 0..1. `words` is the chunk's BM25. `cosine` is its similarity to the query,
    and `likeness` its cosine with the chunk before it on the page; both are None without vectors.
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
        return most_tokens(self.text)


def score_pieces(pieces: Sequence[Piece], *, semantic_weight: float) -> list[float]:
    """Return each piece's score, 0..1: a weighted sum of its page's score, its words and its cosine.

    Words and cosines are first scaled over all pieces.
    """
    words = min_max({n: piece.words for n, piece in enumerate(pieces)})
    cosines = min_max({n: piece.cosine for n, piece in enumerate(pieces) if piece.cosine is not None})
    return [
        _PAGE_SHARE * piece.page_score
        + (1 - _PAGE_SHARE) * ((1 - semantic_weight) * words[n] + semantic_weight * cosines.get(n, 0.0))
        for n, piece in enumerate(pieces)
    ]


def join_best(pieces: Sequence[Piece], scores: Sequence[float], *, max_tokens: int) -> list[list[int]]:
    """Return the positions of the chosen pieces as runs, best run first, each run in reading order.

    All runs together have at most `max_tokens`. The best piece is taken with its neighbours about the same subject,
    then the next best, while they fit. An item that has used three quarters of the tokens gets more only after the
    other items. A piece beside a run joins it. A piece that repeats an earlier one is skipped.
    """
    least = _MIN_SHARE_OF_BEST * max(scores, default=0.0)
    order = [n for n in sorted(range(len(pieces)), key=lambda n: (-scores[n], n)) if scores[n] >= least]
    joining = _Joining(pieces, max_tokens)
    for tokens_of_one in (max_tokens * 3 // 4, max_tokens):
        for n in order:
            if joining.spent[pieces[n].page[0]] < tokens_of_one:
                joining.take(n)
    best_first = sorted(joining.runs, key=lambda run: -max(scores[n] for n in run))
    return [sorted(run, key=lambda n: pieces[n].ordinal) for run in best_first]


class _Joining:
    """State of join_best: the runs so far, the passages in them, and the tokens left."""

    def __init__(self, pieces: Sequence[Piece], room: int) -> None:
        self.runs: list[list[int]] = []
        self._pieces = pieces
        self._at = {(piece.page, piece.ordinal): n for n, piece in enumerate(pieces)}
        self._seen = SeenPassages()
        self._room = room
        self.spent: Counter[str] = Counter()  # tokens by item

    def take(self, n: int) -> None:
        """Add piece `n` if it fits and repeats nothing, together with its neighbours that are like it and fit."""
        if not self._fits(n) or self._seen.repeats(self._pieces[n].text):
            return
        taken = [n]
        self._spend(n)
        for m in self._neighbours(n):
            if _alike(self._pieces[n], self._pieces[m]) and self._fits(m):
                taken.append(m)
                self._spend(m)
                self._seen.add(self._pieces[m].text)
        self.runs = _add_run(self.runs, taken, {k for m in taken for k in self._neighbours(m)})

    def _fits(self, n: int) -> bool:
        return not any(n in run for run in self.runs) and self._pieces[n].tokens <= self._room

    def _spend(self, n: int) -> None:
        tokens = self._pieces[n].tokens
        self._room -= tokens
        self.spent[self._pieces[n].page[0]] += tokens

    def _neighbours(self, n: int) -> list[int]:
        """Return the pieces just before and after piece `n` on its page, if at most MAX_GAP_CHARS lie between."""
        piece, found = self._pieces[n], []
        before, after = (self._at.get((piece.page, piece.ordinal + step)) for step in (-1, 1))
        if before is not None and piece.char_start - self._pieces[before].char_end <= MAX_GAP_CHARS:
            found.append(before)
        if after is not None and self._pieces[after].char_start - piece.char_end <= MAX_GAP_CHARS:
            found.append(after)
        return found


def _add_run(runs: list[list[int]], taken: list[int], touching: set[int]) -> list[list[int]]:
    """Return the runs with `taken` added: joined with all runs that it touches, else as a run of its own."""
    touched = [run for run in runs if not touching.isdisjoint(run)]
    if not touched:
        return [*runs, taken]
    joined = [n for run in touched for n in run] + taken
    return [joined if run is touched[0] else run for run in runs if run not in touched[1:]]


def _alike(one: Piece, other: Piece) -> bool:
    likeness = max(one, other, key=lambda piece: piece.ordinal).likeness
    return likeness is None or likeness >= MIN_LIKENESS
