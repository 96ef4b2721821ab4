"""Tell whether a sentence has a figure, or an address, that its quotes do not have.

This can be checked without understanding the sentence. Numbers in words, units and the things counted are not checked.
"""

import re
import unicodedata
from collections.abc import Iterable

from chalicelib.model.chat.links import names_more

_NUMBER = re.compile(r"(?<![\w.)%])-?\d++(?:[.,:/]\d++)*+|\d++(?:[.,:/]\d++)*+")
_GROUPING = re.compile(r"(?<=\d)['’\u00a0\u2007\u2009\u202f](?=\d{3}(?!\d))")
_BLANK_GROUPING = re.compile(r"(?<=\d) (?=\d{3}(?!\d))")
_POWERS = {
    **dict.fromkeys(("thousand", "tausend", "mille", "mil"), 3),
    **dict.fromkeys(("million", "millions", "millionen", "millones", "mio"), 6),
    **dict.fromkeys(("billion", "milliarde", "milliarden", "milliard", "milliards", "mrd", "bn"), 9),
}
_POWERED = re.compile(rf"(?<!\d)(?<!\d[.,])(\d++(?:[.,]\d++)*+)[ -]?({'|'.join(_POWERS)})\b")


def says_more(sentence: str, borne_out_by: Iterable[str]) -> bool:
    """Return whether the sentence has a number, or an address (model/chat/links.py), that none of these texts has."""
    texts = list(borne_out_by)
    return _counts_more(sentence, texts) or names_more(sentence, texts)


def _counts_more(sentence: str, borne_out_by: Iterable[str]) -> bool:
    texts, said = list(map(_plain, borne_out_by)), _plain(sentence)
    numbers = {number for text in texts for reading in _readings(text) for number in _numbers(reading)}
    return not any(numbers.issuperset(_numbers(reading)) for reading in _readings(said))


def _plain(text: str) -> str:
    """Return the text in NFKC and lower case, without invisible characters; 10² becomes "10 2", not 102."""
    shown = (
        f" {char} " if category == "No" else "" if category == "Cf" else char
        for char in _GROUPING.sub("", text)
        for category in (unicodedata.category(char),)
    )
    plain = unicodedata.normalize("NFKC", "".join(shown)).casefold()
    return plain.replace("\u2044", "/").replace("\u2212", "-").replace("minus ", "-")


def _readings(text: str) -> tuple[str, str]:
    """Return both readings of the text: 12 500 as two numbers, and as one."""
    return text, _BLANK_GROUPING.sub("", text)


def _numbers(text: str) -> list[str]:
    """Return the numbers as written, with signs, without separators of thousands; 1.5 million is 1500000."""
    return [_ungrouped(number) for number in _NUMBER.findall(_POWERED.sub(_in_digits, text))]


def _in_digits(powered: re.Match[str]) -> str:
    whole, _, part = _ungrouped(powered[1]).replace(",", ".").partition(".")
    zeros = _POWERS[powered[2]]
    if len(part) > zeros or "." in part:
        return powered[0]
    return f"{whole}{part:0<{zeros}}".lstrip("0")


def _ungrouped(number: str) -> str:
    return re.sub(r",(?=\d{3}(?:\D|$))", "", number)
