"""Prepares text for to_tsvector, which splits at spaces and knows no others."""

import re
from itertools import pairwise

# Han, Hiragana, Katakana: written without spaces. Hangul has them.
_UNSPACED_RUN = re.compile(
    "[々〇ぁ-ゖァ-ヺー\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\uff66-\uff9f\U00020000-\U0003fffd]+"
)


def with_bigrams(text: str) -> str:
    """`text` with Chinese and Japanese runs as overlapping pairs: 東京都 -> 東京 京都."""
    return _UNSPACED_RUN.sub(_bigrams, text)


def _bigrams(run: re.Match[str]) -> str:
    characters = run[0]
    pairs = [a + b for a, b in pairwise(characters)] or [characters]
    return f" {' '.join(pairs)} "
