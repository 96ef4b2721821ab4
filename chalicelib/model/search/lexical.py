"""Prepares text for Postgres' to_tsvector, which takes a run without spaces for one word and drops some characters."""

import re
import unicodedata
from itertools import pairwise

# Han, Hiragana and Katakana are written without spaces; Hangul is not.
_UNSPACED_RUN = re.compile(
    "[々〇ぁ-ゖァ-ヺー\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\uff66-\uff9f\U00020000-\U0003fffd]+"
)


# Postgres reads 2020-2021 as 2020 and -2021. It drops text in angle brackets, which it takes for a tag.
_MISREAD = re.compile(r"[<>]|(?<=\d)[-\u2010-\u2015](?=\d)")


def for_tsvector(text: str) -> str:
    """Return the text as to_tsvector needs it; it is not for display.

    It is in NFC, Chinese and Japanese are in pairs, and angle brackets and the dashes of ranges are spaces.
    """
    return with_bigrams(_MISREAD.sub(" ", unicodedata.normalize("NFC", text)))


def with_bigrams(text: str) -> str:
    """Return the text with Chinese and Japanese runs as overlapping pairs of characters: 東京都 -> 東京 京都."""
    return _UNSPACED_RUN.sub(_bigrams, text)


def pairs_in(text: str) -> frozenset[str]:
    """Return the pairs of characters that with_bigrams makes into words. with_bigrams(text) has the same pairs."""
    return frozenset(a + b for run in _UNSPACED_RUN.findall(text) for a, b in pairwise(run))


def _bigrams(run: re.Match[str]) -> str:
    characters = run[0]
    pairs = [a + b for a, b in pairwise(characters)] or [characters]
    return f" {' '.join(pairs)} "
