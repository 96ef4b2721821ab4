"""Prepares text for Postgres' to_tsvector, which takes a run without spaces for one word and drops some characters."""

import re
import unicodedata

from chalicelib.patterns import pattern

# Han, Hiragana and Katakana are written without spaces, and so is Thai, whose vowels and tones are characters as well.
# Hangul is not.
_UNSPACED_RUN = re.compile(
    "[々〇ぁ-ゖァ-ヺー\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\uff66-\uff9f\U00020000-\U0003fffd]+"
    "|(?P<thai>[\u0e01-\u0e3a\u0e40-\u0e4e]+)"
)


# Postgres reads 2020-2021 as 2020 and -2021. It drops text in angle brackets, which it takes for a tag.
_MISREAD = re.compile(r"[<>]|(?<=\d)[-\u2010-\u2015](?=\d)")

# By the letters of a text: the configuration that cuts its words to their stems, and English ones to theirs.
_CONFIGURATIONS = {
    "russian": pattern("[\u0400-\u052f]"),
    "arabic_and_english": pattern("[\u0600-\u06ff\u0750-\u077f\ufb50-\ufdff\ufe70-\ufeff]"),
    "hindi": pattern("[\u0900-\u097f]"),
    "greek_and_english": pattern("[\u0370-\u03ff\u1f00-\u1fff]"),
}


def configuration_of(text: str) -> str:
    """Return the name of the text search configuration for most of the text's letters that are not Latin."""
    if text.isascii():
        return "english"
    counts = {name: len(letters.findall(text)) for name, letters in _CONFIGURATIONS.items()}
    most = max(counts, key=lambda name: counts[name])
    return most if counts[most] else "english"


def for_tsvector(text: str) -> str:
    """Return the text as to_tsvector needs it; it is not for display.

    It is in NFC, text without spaces is in n-grams, and angle brackets and the dashes of ranges are spaces.
    """
    return with_ngrams(_MISREAD.sub(" ", unicodedata.normalize("NFC", text)))


def with_ngrams(text: str) -> str:
    """Return the text with Chinese and Japanese as overlapping pairs (東京都 -> 東京 京都), and Thai as threes."""
    return _UNSPACED_RUN.sub(lambda run: f" {' '.join(_ngrams(run) or [run[0]])} ", text)


def ngrams_in(text: str) -> frozenset[str]:
    """Return the n-grams that with_ngrams makes into words. with_ngrams(text) has the same ones."""
    return frozenset(ngram for run in _UNSPACED_RUN.finditer(text) for ngram in _ngrams(run))


def _ngrams(run: re.Match[str]) -> list[str]:
    characters, size = run[0], 3 if run["thai"] else 2
    return [characters[at : at + size] for at in range(len(characters) - size + 1)]
