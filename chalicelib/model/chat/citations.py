"""Find a quote in a text, if the quote is long enough to prove something.

A model's copy differs from the text in ways without meaning: white space and line breaks, typographic quotes and
dashes, ligatures, soft hyphens, hyphenation, composed accents, capitals. These differences are removed from both.
Everything else must be there word for word: a quote that begins or ends inside a word or a number
("safe to use" in "unsafe to use", "they can" in "they can't", "5 million" in "1.5 million") is not found.
"""

import re
import unicodedata
from bisect import bisect_left
from functools import lru_cache

MIN_WEIGHT = 12  # letters and digits; one of a script without spaces counts as three
MAX_QUOTE_CHARS = 5_000
_EDGE = "\x01"  # marks the begin and end of a word; no text has it, because control characters are removed
_DASHES = frozenset("-\u2010\u2011\u2012\u2013\u2014\u2015\u2212\ufe58\ufe63\uff0d")
_LONG_DASHES = frozenset("\u2014\u2015\ufe58")  # they stand between two words, other dashes inside one
_SAME = {
    **dict.fromkeys("‘’‚‛′`´", "'"),
    **dict.fromkeys("“”„‟″«»", '"'),
    **dict.fromkeys(_DASHES, "-"),
    "…": "...",
}
_TRIMMED = " \n'\"“”‘’„«».,;:…"
_BROKEN = re.compile(
    rf"(?<=\w)([{''.join(sorted(_DASHES))}])\s(?=\w)"
)  # a hyphenated word, copied with a blank
_JOINERS = frozenset(".,:/-'")
_SUFFIX = re.compile(r"(?:s|t|d|m|ll|re|ve)(?!\w)")  # the end of it's, can't, they'll
_BEFORE_A_GROUP, _GROUP = re.compile(r"(?:\A|\D)\d{1,3}\Z"), re.compile(r"\d{3}(?!\d)")
# Thai and Lao, Burmese, Khmer, kana and Han. Han beyond the first plane is every code point from 0x20000 on.
_UNSPACED = ((0x0E00, 0x0EFF), (0x1000, 0x109F), (0x1780, 0x17FF), (0x2E80, 0xA4CF), (0xF900, 0xFAFF))


class Source:
    """A text prepared for finding quotes. Preparing it and each search take linear time."""

    def __init__(self, text: str) -> None:
        self.text = text
        self._folded, self._offsets = _fold(text)

    def find(self, quote: str, *, near: int = 0) -> tuple[int, int] | None:
        """Return (start, end) of the first quote in `text` from the offset `near` on, else of the first one at all.

        Return None when it is not there, or too short to prove something.
        """
        if len(quote) > MAX_QUOTE_CHARS:
            return None
        trimmed = quote.strip(_TRIMMED)
        spellings = dict.fromkeys((quote.strip(), trimmed, _BROKEN.sub(r"\1\n", trimmed)))
        return next((found for each in spellings if (found := self._find(each, near))), None)

    def _find(self, quote: str, near: int) -> tuple[int, int] | None:
        needle, _ = _fold(quote)
        if not _proves_something(needle):
            return None
        at = self._folded.find(needle, bisect_left(self._offsets, near))
        if at < 0:
            at = self._folded.find(needle)
        if at < 0 or unicodedata.combining(self._folded[at + len(needle) : at + len(needle) + 1] or " "):
            return None
        spelt = [n for n in range(at, at + len(needle)) if self._folded[n] != _EDGE]
        return self._offsets[spelt[0]], self._offsets[spelt[-1]] + 1


def proves_something(quote: str) -> bool:
    """Return whether the text is long enough for a quote: MIN_WEIGHT, and two words in a script with spaces."""
    return _proves_something(_fold(quote)[0])


def _proves_something(folded: str) -> bool:
    unspaced = sum(map(_is_unspaced, folded))
    weight = sum(char.isalnum() for char in folded) + 2 * unspaced
    return weight >= MIN_WEIGHT and (unspaced > 0 or " " in folded)


def _fold(text: str) -> tuple[str, list[int]]:
    """Return (folded text with _EDGE at the ends of words, the offset in `text` of each of its characters)."""
    chars, places = _unhyphenated(text, *_equal_characters(text))
    folded, offsets = list[str](), list[int]()
    inside = False
    for n, char in enumerate(chars):
        if _is_word(chars, n) != inside:
            inside = not inside
            folded.append(_EDGE)
            offsets.append(places[n])
        folded.append(" " if char == "\n" else char)
        offsets.append(places[n])
    if inside:
        folded.append(_EDGE)
        offsets.append(places[-1])
    return "".join(folded), offsets


def _equal_characters(text: str) -> tuple[list[str], list[int]]:
    """Return (folded characters, offsets). A run of white space becomes a line break if it has one, else a blank."""
    chars, places = list[str](), list[int]()
    for place, char in enumerate(text):
        if char.isspace():
            blank = "\n" if char in "\n\r\u2028" else " "
            if chars and chars[-1] in " \n":
                chars[-1] = "\n" if "\n" in (blank, chars[-1]) else " "
                continue
            chars.append(blank)
            places.append(place)
            continue
        for folded in _fold_character(char):
            chars.append(folded)
            places.append(place)
    return chars, places


@lru_cache(maxsize=8192)
def _fold_character(char: str) -> str:
    if char in _SAME:
        return _SAME[char]
    if unicodedata.category(char) in ("Cc", "Cf", "Cs"):  # soft hyphens and joiners show nothing
        return ""
    return unicodedata.normalize("NFD", char.casefold())


def _unhyphenated(text: str, chars: list[str], places: list[int]) -> tuple[list[str], list[int]]:
    """Remove the dashes between two letters, which a line's end may have put there: well-known is wellknown.

    A dash between other characters stays; a line break behind it is removed.
    """
    kept = list[int]()
    n = 0
    while n < len(chars):
        if chars[n] == "-" and kept and chars[kept[-1]].isalnum():
            after = n + 2 if chars[n + 1 : n + 2] == ["\n"] else n + 1
            if after < len(chars) and chars[after].isalnum():
                between_letters = chars[kept[-1]].isalpha() and chars[after].isalpha()
                if not between_letters or text[places[n]] in _LONG_DASHES:
                    kept.append(n)
                n = after
                continue
        kept.append(n)
        n += 1
    return [chars[n] for n in kept], [places[n] for n in kept]


def _is_word(chars: list[str], n: int) -> bool:
    char = chars[n]
    if char in _JOINERS:
        before, after = chars[n - 1] if n else " ", chars[n + 1] if n + 1 < len(chars) else " "
        if char == "'" and before.isalpha():
            return _SUFFIX.match("".join(chars[n + 1 : n + 4])) is not None
        return after.isdigit() and (
            before.isdigit() or (char in "-." and not before.isalnum() and before != ".")
        )
    if char in " \n":  # 12 500
        before, after = "".join(chars[max(0, n - 4) : n]), "".join(chars[n + 1 : n + 5])
        return bool(_GROUP.match(after) and _BEFORE_A_GROUP.search(before))
    return (char.isalnum() or unicodedata.combining(char) > 0) and not _is_unspaced(char)


def _is_unspaced(char: str) -> bool:
    code = ord(char)
    return code >= 0x0E00 and (any(a <= code <= b for a, b in _UNSPACED) or code >= 0x20000)
