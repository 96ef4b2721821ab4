"""Finds a model's quote in its source text, if the quote is long enough to prove something.

A model copies text with small differences that do not change its meaning: white space and line breaks, typographic
quotes and dashes, ligatures, soft hyphens, hyphenation, composed accents, capitals. Both texts are folded so that
these differences disappear. Everything else must match word for word. A quote that begins or ends inside a word or
a number is not found: "safe to use" in "unsafe to use", "they can" in "they can't", "5 million" in "1.5 million".
"""

import re
import unicodedata
from bisect import bisect_left
from functools import lru_cache

MIN_WEIGHT = 12  # letters and digits; a character of a script without spaces counts as three
MAX_QUOTE_CHARS = 5_000
_BEGINNING_CHARS = 40
_EDGE = "\x01"  # marks where a word begins or ends; folded text has no other control characters
_DASHES = frozenset("-\u2010\u2011\u2012\u2013\u2014\u2015\u2212\ufe58\ufe63\uff0d")
_LONG_DASHES = frozenset(
    "\u2014\u2015\ufe58"
)  # stand between two words; other dashes may stand inside one word
_SAME = {
    **dict.fromkeys("‘’‚‛′`´", "'"),
    **dict.fromkeys("“”„‟″«»", '"'),
    **dict.fromkeys(_DASHES, "-"),
    "…": "...",
}
_TRIMMED = " \n'\"“”‘’„«».,;:…"
# A word hyphenated at a line's end, copied with a space.
_BROKEN = re.compile(rf"(?<=\w)([{''.join(sorted(_DASHES))}])\s(?=\w)")
_JOINERS = frozenset(".,:/-'")
_SUFFIX = re.compile(r"(?:s|t|d|m|ll|re|ve)(?!\w)")  # as in it's, can't, they'll
# The two sides of a space that groups thousands, as in 12 500.
_BEFORE_A_GROUP, _GROUP = re.compile(r"(?:\A|\D)\d{1,3}\Z"), re.compile(r"\d{3}(?!\d)")
# Thai and Lao, Burmese, Khmer, kana and Han. _is_unspaced takes all code points from U+20000 on for Han.
_UNSPACED = ((0x0E00, 0x0EFF), (0x1000, 0x109F), (0x1780, 0x17FF), (0x2E80, 0xA4CF), (0xF900, 0xFAFF))


class Source:
    """A text that quotes are searched in. Making it takes time linear in the text.

    A search takes time linear in the text and the quote.
    """

    def __init__(self, text: str) -> None:
        self.text = text
        self._folded, self._offsets = _fold(text)

    def find(self, quote: str, *, near: int = 0) -> tuple[int, int] | None:
        """Return (start, end) of the quote in `text`: the first at or after `near`, else the first of all.

        Return None if the quote is not in the text, or is too short or too long to prove something.
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
    """Return whether the quote is long enough to prove something: MIN_WEIGHT, and more than one word."""
    # Its beginning is nearly always enough, and what that proves is proved by the whole.
    return any(_proves_something(_fold(text)[0]) for text in (quote[:_BEGINNING_CHARS].rstrip(), quote))


def _proves_something(folded: str) -> bool:
    unspaced = sum(map(_is_unspaced, folded))
    weight = sum(char.isalnum() for char in folded) + 2 * unspaced
    return weight >= MIN_WEIGHT and (unspaced > 0 or " " in folded)


def _fold(text: str) -> tuple[str, list[int]]:
    """Return the folded text, with _EDGE at the ends of each word, and each folded character's offset in `text`."""
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
    """Return the characters, each folded, and their offsets in `text`.

    A run of white space becomes one space, or one line break if the run has a line break.
    """
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
    """Return the characters and offsets without the dashes between two letters: well-known becomes wellknown.

    Such a dash may only mark the end of a line. A long dash, or a dash beside a digit, stays; a line break behind it
    is removed.
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
