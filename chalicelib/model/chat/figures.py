"""Finds numbers and addresses in a sentence that are missing in its quotes.

Among the claims that a sentence may add to its quotes, these can be detected without understanding the sentence.
Numbers in words, units and the things that are counted are not compared.
"""

import re
import unicodedata
from collections.abc import Iterable

from chalicelib.model.chat.links import has_unsupported_addresses

_NUMBER = re.compile(r"(?<![\w.)%])-?\d++(?:[.,:/]\d++)*+|\d++(?:[.,:/]\d++)*+")
_GROUPING = re.compile(r"(?<=\d)['’\u00a0\u2007\u2009\u202f](?=\d{3}(?!\d))")
_BLANK_GROUPING = re.compile(r"(?<=\d) (?=\d{3}(?!\d))")
_POWERS = {
    **dict.fromkeys(("thousand", "tausend", "mille", "mil"), 3),
    **dict.fromkeys(("million", "millions", "millionen", "millones", "mio"), 6),
    **dict.fromkeys(("billion", "milliarde", "milliarden", "milliard", "milliards", "mrd", "bn"), 9),
}
_POWERED = re.compile(rf"(?<!\d)(?<!\d[.,])(\d++(?:[.,]\d++)*+)[ -]?({'|'.join(_POWERS)})\b")


def has_unsupported_facts(sentence: str, sources: Iterable[str]) -> bool:
    """Return whether the sentence has a number or an address (model/chat/links.py) that none of the texts has."""
    texts = list(sources)
    return _has_unsupported_numbers(sentence, texts) or has_unsupported_addresses(sentence, texts)


def _has_unsupported_numbers(sentence: str, sources: Iterable[str]) -> bool:
    texts, said = list(map(_plain, sources)), _plain(sentence)
    numbers = {number for text in texts for reading in _readings(text) for number in _numbers(reading)}
    return not any(numbers.issuperset(_numbers(reading)) for reading in _readings(said))


def _plain(text: str) -> str:
    """Return the text in NFKC and folded case, without invisible characters and without marks that group digits.

    A character like ² is first set apart by spaces: NFKC alone would make 102 of 10².
    """
    shown = (
        f" {char} " if category == "No" else "" if category == "Cf" else char
        for char in _GROUPING.sub("", text)
        for category in (unicodedata.category(char),)
    )
    plain = unicodedata.normalize("NFKC", "".join(shown)).casefold()
    return plain.replace("\u2044", "/").replace("\u2212", "-").replace("minus ", "-")


def _readings(text: str) -> tuple[str, str]:
    """Return the text as it is and with digit groups joined: 12 500 is two numbers, or one."""
    return text, _BLANK_GROUPING.sub("", text)


def _numbers(text: str) -> list[str]:
    """Return the numbers of the text as written, with their signs but without thousands separators.

    1.5 million becomes 1500000.
    """
    return [_ungrouped(number) for number in _NUMBER.findall(_POWERED.sub(_in_digits, text))]


def _in_digits(powered: re.Match[str]) -> str:
    whole, _, part = _ungrouped(powered[1]).replace(",", ".").partition(".")
    zeros = _POWERS[powered[2]]
    if len(part) > zeros or "." in part:
        return powered[0]
    return f"{whole}{part:0<{zeros}}".lstrip("0")


def _ungrouped(number: str) -> str:
    return re.sub(r",(?=\d{3}(?:\D|$))", "", number)
