"""Prepares text for to_tsvector, which takes for one word what has no space in it, and much else for none."""

import re
import unicodedata
from itertools import pairwise

# Han, Hiragana, Katakana: written without spaces. Hangul has them.
_UNSPACED_RUN = re.compile(
    "[々〇ぁ-ゖァ-ヺー\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\uff66-\uff9f\U00020000-\U0003fffd]+"
)


# Postgres reads 2020-2021 as 2020 and -2021, and leaves out <what> it takes for a tag.
_MISREAD = re.compile(r"[<>]|(?<=\d)[-\u2010-\u2015](?=\d)")


def for_tsvector(text: str) -> str:
    """In NFC, Chinese and Japanese in pairs, angle brackets and the dashes of ranges as spaces; not for display."""
    return with_bigrams(_MISREAD.sub(" ", unicodedata.normalize("NFC", text)))


def with_bigrams(text: str) -> str:
    """`text` with Chinese and Japanese runs as overlapping pairs: 東京都 -> 東京 京都."""
    return _UNSPACED_RUN.sub(_bigrams, text)


def pairs_in(text: str) -> frozenset[str]:
    """The pairs of characters that with_bigrams makes words of; its answer has the same ones."""
    return frozenset(a + b for run in _UNSPACED_RUN.findall(text) for a, b in pairwise(run))


def _bigrams(run: re.Match[str]) -> str:
    characters = run[0]
    pairs = [a + b for a, b in pairwise(characters)] or [characters]
    return f" {' '.join(pairs)} "
