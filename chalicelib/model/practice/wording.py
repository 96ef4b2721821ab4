"""Reads the words of an answer so that two wordings of one fact are equal: stems, numerals, units, synonyms, typos."""

import re
from collections.abc import Iterable
from functools import lru_cache

from msgspec import Struct

from chalicelib.model.chat.questions import EMPTY
from chalicelib.model.search.folding import DENIALS
from chalicelib.model.search.lexical import with_ngrams

MIN_TYPO_CHARS = 5  # in a shorter word one letter makes another word: hat, hot
REACH = 4  # a negation reaches so many words
_WORD = re.compile(r"\d+(?:[.,]\d+)*|[^\W\d_]+(?:['’][^\W\d_]+)?")
_CLAUSE = re.compile(
    r"[.:,](?!\d)|[;!?\n]|\b(?:but|because|so|while|whereas|however|although|aber|weil|mais|pero)\b"
)


def _read_pairs(text: str) -> dict[str, str]:
    pairs = (pair.split() for pair in text.split(","))
    return {one: other for one, other in pairs}  # noqa: C416 - mypy knows no pair in a list


_NUMERALS = _read_pairs(
    """
    zero 0, one 1, two 2, three 3, four 4, five 5, six 6, seven 7, eight 8, nine 9, ten 10, eleven 11, twelve 12,
    twenty 20, thirty 30, forty 40, fifty 50, hundred 100, thousand 1000, half 0.5, twice 2, double 2, doubled 2,
    first 1, second 2, third 3
    """
)
_UNITS = _read_pairs(
    """
    m meter, metre meter, metres meter, meters meter, cm centimeter, centimetre centimeter, centimetres centimeter,
    mm millimeter, km kilometer, kilometre kilometer, g gram, grams gram, grammes gram, kg kilogram, kilo kilogram,
    kilos kilogram, ml milliliter, millilitre milliliter, millilitres milliliter, l liter, litre liter, litres liter,
    sec second_, secs second_, seconds second_, s second_, min minute, mins minute, hr hour, hrs hour, h hour,
    percent %, euros euro, dollars dollar
    """
)
# Words of one line stand for each other.
_SYNONYMS = """
big large huge great
small little tiny
fast quick rapid speedy
begin start
end finish stop
weigh weight mass heavy heaviness
make produce create generate form
put place set
same equal identical alike similar
different differ difference
change alter
break crack shatter
hold keep contain
need require
show indicate demonstrate
see observe notice
think believe
protect guard shield safe
get receive obtain gain
use utilize
push shove
pull tug
go move travel
turn spin rotate
stay remain
leave left
bottom underneath
sun sunlight sunshine
dark black
electricity electric electrical current
loud volume
high tall
vibrate vibration shake
food nutrient
help aid assist
find discover
look appear
solid particle
disappear vanish
far farther further farthest furthest
near nearer nearest
rough bumpy coarse
smooth fine
fall drop sink
wash carry
river stream
soil dirt
ground earth land
stick attract
rise lift
wear erode
test experiment
guess predict
"""
_OPPOSITES = """
more less, more fewer, most least, high low, higher lower, hot cold, hotter colder, warm cool, warmer cooler,
big small, large small, fast slow, faster slower, increase decrease, rise fall, gain lose, up down,
above below, over under, top bottom, left right, long short, longer shorter, tall short, taller shorter,
wide narrow, thick thin, heavy light, heavier lighter, hard soft, harder softer, strong weak,
stronger weaker, loud quiet, loud soft, bright dark, rough smooth, wet dry, open close, full empty,
same different, equal different, identical different, true false, right wrong, correct incorrect, yes no,
always never, all none, possible impossible, attract repel, push pull, float sink, conductor insulator,
positive negative, north south, east west, before after, early late, first last, inside outside, in out,
near far, closer farther, together apart, live dead, male female, solid liquid, solid gas, liquid gas,
acid base, melt freeze, evaporate condense, dissolve undissolve, absorb reflect, add remove, add subtract,
start stop, begin end, day night, black white, clear cloudy, complete incomplete, series parallel, on off,
expand contract, deep shallow, new old, young old, good bad, better worse, best worst, maximum minimum,
max min, allow forbid, accept reject, include exclude, required optional, must may, mandatory optional,
buy sell, pass fail, win lose, produce consume, predator prey, producer consumer, parent child, steep flat,
steeper flatter, sharp dull, rich poor, easy difficult, easy hard, simple complex, natural artificial,
living nonliving, renewable nonrenewable, visible invisible, tight loose, saturated unsaturated,
concentrated dilute, deposit erode, deposition erosion, input output, import export, minimum maximum,
wax wane, odd even,
"""
_ENDINGS = (
    "ations", "ation", "ating", "ated", "ates", "ate", "ingly", "ments", "ment", "ness",
    "ions", "ing", "ion", "ity", "ies", "ied", "est", "ed", "er",
    "es", "ly", "al", "s", "e", "y",
)  # fmt: skip


class Word(Struct, frozen=True):
    """A word: `stem` is equal for all its forms and synonyms, `is_denied` tells whether a negation stands before it."""

    stem: str
    is_denied: bool


@lru_cache(maxsize=16384)
def stem_of(word: str) -> str:
    """Return the form by which words are compared."""
    word = _UNITS.get(word, _NUMERALS.get(word, word))
    if word[0].isdigit():
        return word.replace(",", "")
    plain = _plain_stem(word)
    return _CANON.get(plain, plain)


def _plain_stem(word: str) -> str:
    word = word.replace("’", "'").removesuffix("'s")
    for ending in _ENDINGS:
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            word = word[: -len(ending)]
            break
    if len(word) > 3 and word[-1] == word[-2] and word[-1] not in "ls":
        word = word[:-1]
    return word.removesuffix("e") if len(word) > 3 else word


_CANON = {
    _plain_stem(word): _plain_stem(line.split()[0])
    for line in _SYNONYMS.strip().splitlines()
    for word in line.split()
}


def _paired() -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for pair in _OPPOSITES.replace("\n", "").split(","):
        if pair.strip():
            one, other = map(stem_of, pair.split())
            if one != other:
                found.setdefault(one, set()).add(other)
                found.setdefault(other, set()).add(one)
    return found


OPPOSITES = _paired()


def read_words(text: str) -> list[Word]:
    """Return the words that carry meaning, in order. A negation marks the REACH words behind it, within its clause."""
    found = list[Word]()
    for clause in _CLAUSE.split(with_ngrams(text).lower()):
        reach = 0
        for word in _WORD.findall(clause):
            if is_denial(word):
                reach = REACH
                continue
            if not is_empty(word):
                found.append(Word(stem_of(word), reach > 0))
            reach -= 1
    return found


def tokens_of(text: str) -> list[str]:
    """Return all words and numbers as they are written, in lower case."""
    return _WORD.findall(text.lower())


def is_denial(word: str) -> bool:
    return word in DENIALS or word.endswith(("n't", "n’t"))


def is_empty(word: str) -> bool:
    return word in EMPTY and word not in OPPOSITES and word not in _NUMERALS


def match_of(stem: str, others: Iterable[str]) -> str | None:
    """Return the equal stem among the others, or else one that differs by a typo; None if there is none."""
    others = set(others)
    if stem in others:
        return stem
    if len(stem) < MIN_TYPO_CHARS or stem[0].isdigit():
        return None
    return next((other for other in sorted(others) if _is_typo(stem, other)), None)


def _is_typo(one: str, other: str) -> bool:
    """Return whether two words differ by one letter added, lost, changed, or swapped with its neighbour."""
    if min(len(one), len(other)) < MIN_TYPO_CHARS or abs(len(one) - len(other)) > 1 or one[0] != other[0]:
        return False
    at = next(
        (n for n, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other))
    )
    a, b = one[at:], other[at:]
    return a[1:] == b[1:] or a[1:] == b or a == b[1:] or (a[:2] == b[1::-1] and a[2:] == b[2:])
