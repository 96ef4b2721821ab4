"""Finds a quote in the text it is said to be from, and tells how much it proves.

What a model writes down differs from what it read in ways that mean nothing: white space and line breaks,
typographic quotes and dashes, ligatures, soft hyphens, hyphenation, composed accents, capitals. These are
made equal. All else must be there word for word: a quote that begins or ends inside a word or a number
("safe to use" in "unsafe to use", "they can" in "they can't", "5 million" in "1.5 million") is not found.
"""

import re
import unicodedata
from bisect import bisect_left
from collections.abc import Iterable
from functools import lru_cache

MIN_WEIGHT = 12  # letters and digits; one of a script without spaces counts for three
MAX_QUOTE_CHARS = 5_000
_EDGE = "\x01"  # stands where a word begins or ends; no text has it, for control characters are left out
_DASHES = frozenset("-\u2010\u2011\u2012\u2013\u2014\u2015\u2212\ufe58\ufe63\uff0d")
_LONG_DASHES = frozenset("\u2014\u2015\ufe58")  # they part words, where others divide one
_SAME = {
    **dict.fromkeys("‘’‚‛′`´", "'"),
    **dict.fromkeys("“”„‟″«»", '"'),
    **dict.fromkeys(_DASHES, "-"),
    "…": "...",
}
_TRIMMED = " \n'\"“”‘’„«».,;:…"
_BROKEN = re.compile(rf"(?<=\w)([{''.join(sorted(_DASHES))}])\s(?=\w)")  # a divided word, copied with a blank
_JOINERS = frozenset(".,:/-'")
_SUFFIX = re.compile(r"(?:s|t|d|m|ll|re|ve)(?!\w)")  # of it's, can't, they'll
_BEFORE_A_GROUP, _GROUP = re.compile(r"(?:\A|\D)\d{1,3}\Z"), re.compile(r"\d{3}(?!\d)")
_NUMBER = re.compile(r"(?<![\w.)%])-?\d++(?:[.,:/]\d++)*+|\d++(?:[.,:/]\d++)*+")
_GROUPING = re.compile(r"(?<=\d)['’\u00a0\u2007\u2009\u202f](?=\d{3}(?!\d))")
_BLANK_GROUPING = re.compile(r"(?<=\d) (?=\d{3}(?!\d))")
_POWERS = {
    **dict.fromkeys(("thousand", "tausend", "mille", "mil"), 3),
    **dict.fromkeys(("million", "millions", "millionen", "millones", "mio"), 6),
    **dict.fromkeys(("billion", "milliarde", "milliarden", "milliard", "milliards", "mrd", "bn"), 9),
}
_POWERED = re.compile(rf"(?<!\d)(?<!\d[.,])(\d++(?:[.,]\d++)*+)[ -]?({'|'.join(_POWERS)})\b")
_ADDRESS = re.compile(
    r"[a-z][a-z0-9+.-]{0,20}://\S++|\b(?:javascript|data|mailto|tel):\S++|\bwww\.\S++|[^\s@]{1,64}@\S++"
)
_DOMAIN = re.compile(r"(?<![\w-])(?:[\w-]{1,63}\.){0,8}[\w-]{2,63}\.[a-z]{2,24}\b")
# Thai and Lao, Burmese, Khmer, kana and Han; Han beyond the first plane is told by its number alone.
_UNSPACED = ((0x0E00, 0x0EFF), (0x1000, 0x109F), (0x1780, 0x17FF), (0x2E80, 0xA4CF), (0xF900, 0xFAFF))


class Source:
    """A text made ready for finding quotes in it; linear in the text, and in each quote with the text."""

    def __init__(self, text: str) -> None:
        self.text = text
        self._folded, self._offsets = _fold(text)

    def find(self, quote: str, *, near: int = 0) -> tuple[int, int] | None:
        """(start, end) of the quote in `text`: from `near` on, else the first there is.

        None: it is not there, or it is too little to prove anything.
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


def says_more(sentence: str, borne_out_by: Iterable[str]) -> bool:
    """Whether it has a number, or an address on the net, that none of these texts has.

    Of all that a sentence may say beyond its quotes, this is what can be told without understanding it. Numbers in
    words, units and what is counted are not looked at.
    """
    texts, said = list(map(_plain, borne_out_by)), _plain(sentence)
    numbers = {number for text in texts for reading in _readings(text) for number in _numbers(reading)}
    are_known = any(numbers.issuperset(_numbers(reading)) for reading in _readings(said))
    addresses = _addresses(said)
    known = {address for text in texts for address in _addresses(text)}
    return not are_known or any(each not in known for each in addresses)


def _plain(text: str) -> str:
    """What compatibility makes equal is equal, but 10² is not 102; what cannot be seen is left out."""
    shown = (
        f" {char} " if category == "No" else "" if category == "Cf" else char
        for char in _GROUPING.sub("", text)
        for category in (unicodedata.category(char),)
    )
    plain = unicodedata.normalize("NFKC", "".join(shown)).casefold()
    return plain.replace("\u2044", "/").replace("\u2212", "-").replace("minus ", "-")


def _readings(text: str) -> tuple[str, str]:
    """12 500 is two numbers, or one."""
    return text, _BLANK_GROUPING.sub("", text)


def _numbers(text: str) -> list[str]:
    """As they are written, with their signs, but without what groups thousands; 1.5 million is 1500000."""
    return [_ungrouped(number) for number in _NUMBER.findall(_POWERED.sub(_in_digits, text))]


def _in_digits(powered: re.Match[str]) -> str:
    whole, _, part = _ungrouped(powered[1]).replace(",", ".").partition(".")
    zeros = _POWERS[powered[2]]
    if len(part) > zeros or "." in part:
        return powered[0]
    return f"{whole}{part:0<{zeros}}".lstrip("0")


def _ungrouped(number: str) -> str:
    return re.sub(r",(?=\d{3}(?:\D|$))", "", number)


def _addresses(text: str) -> set[str]:
    """Whole ones, and the names in them."""
    found = _ADDRESS.findall(text) + _DOMAIN.findall(text)
    return {address.rstrip(").,;:]>\"'") for address in found}


def proves_something(quote: str) -> bool:
    """Whether it is long enough for a quote."""
    return _proves_something(_fold(quote)[0])


def _proves_something(folded: str) -> bool:
    unspaced = sum(map(_is_unspaced, folded))
    weight = sum(char.isalnum() for char in folded) + 2 * unspaced
    return weight >= MIN_WEIGHT and (unspaced > 0 or " " in folded)


def _fold(text: str) -> tuple[str, list[int]]:
    """The text with all that means nothing made equal and an edge at each word's ends; where each is in `text`."""
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
    """Runs of white space as one blank, or one line break when there is one in it."""
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
    """Without the dashes between two letters, which a line's end may have put there: well-known is wellknown.

    Between others a dash stays; the line's end behind it goes.
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
