"""Prepares text for to_tsvector, which splits at spaces and knows no others."""

import re

# Han, Hiragana, Katakana: written without spaces. Hangul has them.
_UNSPACED_RUN = re.compile("[々〇ぁ-ゖァ-ヺー\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\uff66-\uff9f\U00020000-\U0003fffd]+")


def with_bigrams(text: str) -> str:
    """`text` with each Chinese or Japanese run as overlapping pairs: 東京都 -> 東京 京都. The rest is unchanged."""
    return _UNSPACED_RUN.sub(_bigrams, text)


def _bigrams(run: re.Match[str]) -> str:
    characters = run[0]
    pairs = map("".join, zip(characters, characters[1:])) if len(characters) > 1 else [characters]
    return f" {' '.join(pairs)} "
