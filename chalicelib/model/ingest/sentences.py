"""Finds the sentences of a text, in the scripts and languages of the files that people have.

A mark ends a sentence, unless it belongs to an abbreviation, an initial, a number, a list's marker, brackets that are
still open, or dots that lead to a page number; and unless it goes on with a small letter in a text with capitals. A
blank line ends a sentence too. It takes time linear in the text, also on hostile input.
"""

import re
from collections.abc import Iterator
from functools import cache

# Also Devanagari, Arabic, Urdu, Armenian, Burmese, Khmer, Ethiopic. A space follows them.
SPACED_MARKS = ".!?…؟۔।॥։။។៕።"
# Chinese and Japanese. No space follows them.
UNSPACED_MARKS = "。！？｡"
CLOSERS = "\"'”’»)]』」）”’】》"
# Behind these words a dot is never the end, behind _BEFORE_FIGURES not in front of a figure, and behind _ENDINGS only
# in front of a word that begins sentences.
_ABBREVIATIONS = """
mr mrs ms dr prof st mt ft rev hon lt capt sgt jr messrs nos nr fig figs eq eqs tab abb vol vols pp p pg ed eds vs v
cf approx ca e.g i.e viz resp dept tel sept oct okt nov dec dez jan feb apr aug
hr frl bd bde aufl ausg bzgl bzw dgl evtl geb ggf ggfs hrsg inkl jhd mind sog str vgl zzgl z.b d.h u.a o.ä z.t u.u
i.d.r s.o s.u v.a dipl ing phil mme mlle éd env p.ex sra srta dra uds vds p.ej núm pág págs sig sigg dott dott.ssa avv
pag dhr mevr bijv o.a d.w.z им проф акад см рис табл стр т.е
"""
_BEFORE_FIGURES = """
no n sec ch chap art par app abs mar jun jul mon tue wed thu fri sat sun f ff s z max min col gen ext av bl ud m г с
"""
_ENDINGS = """
inc ltd co corp bros etc usw ecc sr al u.s u.k e.u a.m p.m b.c a.d ph.d d.c mio mrd jh u incl excl est ave blvd rd med
г гг др т.д т.п т.к
"""
_BRACKETS = (
    ("(", ")"),
    ("[", "]"),
    ("“", "”"),
    ("„", "“"),
    ("«", "»"),
    ("（", "）"),
    ("「", "」"),
    ("『", "』"),
)
_LOOK_BACK, _LOOK_AHEAD = 300, 300  # characters that may lie between a bracket and its end
# Words that begin a sentence rather than a name: behind an initial or an ordinal they show that a sentence has ended.
_BEGINNINGS = """
the a an it he she they we you in on at this that these those there but and or if when while as for from with by to of
his her their its our my after before since however also all some most many no what which who how why where
der die das den dem ein eine er sie es wir ich ihr im am an auf mit bei nach von zu und oder aber wenn als wie für durch
diese dieser dieses auch nur so man bis seit was wer wo warum
le la les un une il elle on ils elles ce cette ces dans en au aux pour par et mais el los las se su este esta lo gli
он она они в на это и но
"""
_GERMAN = "der die das und ist nicht mit von den im ein eine zu auf für"  # German writes ordinals with a dot
_FULL_LINE = 0.9  # letters differ in width, so a full line may have fewer of them than its neighbour
_SEEN = 2_000  # so many characters tell a text's language, and whether it has capitals
_LEAST_GERMAN = 0.1  # share of these words in a German text; others have less than half of it


@cache
def _patterns() -> tuple[re.Pattern[str], ...]:
    # Each alternative starts at most once in a run, and possessive quantifiers (++) do not backtrack.
    mark, closer = f"[{SPACED_MARKS}]", f"[{re.escape(CLOSERS)}]"
    behind = "|".join(f"(?<={mark}{between})" for between in ("", closer, closer + closer, r"\s[»”]"))
    ends = re.compile(rf"(?:{behind})\s++|[{UNSPACED_MARKS}]++{closer}*+(?![と、，])|\n\s*\n")
    marker = re.compile(r"[\s(]*(?:\d{1,3}(?:\.\d{1,3}){0,3}|[A-Za-z]|[ivxIVX]{1,5})[.)]\Z")
    word = re.compile(r"[^\W_]+")
    item = re.compile(r"(?:[a-z]|[ivx]{1,5})[.)]\s")
    return ends, marker, word, item


@cache
def _words() -> tuple[frozenset[str], ...]:
    lists = (_ABBREVIATIONS, _BEFORE_FIGURES, _ENDINGS, _BEGINNINGS, _GERMAN)
    return tuple(frozenset(words.split()) for words in lists)


def sentence_spans(text: str) -> Iterator[tuple[int, int]]:
    """Yield (start, end) of each sentence without the white space at its ends; skip blank ones."""
    start, known = 0, _Text(text)
    for match in _patterns()[0].finditer(text):
        if _ends(known, start, match):
            yield from _stripped(text, start, match.end())
            start = match.end()
    yield from _stripped(text, start, len(text))


def is_ended(sentence: str) -> bool:
    """Return whether the sentence ends with a mark, which quotes or brackets may follow."""
    return sentence.rstrip(CLOSERS)[-1:] in tuple(SPACED_MARKS + UNSPACED_MARKS)


class _Text:
    """A text, with what is found out about it when it is first asked."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.brackets = [pair for pair in _BRACKETS if pair[0] in text]
        self.has_capitals = text[:_SEEN] != text[:_SEEN].lower()
        self._is_german: bool | None = None

    def is_german(self) -> bool:
        if self._is_german is None:
            words = [word.lower() for word in _patterns()[2].findall(self.text[:_SEEN])]
            german = sum(word in _words()[-1] for word in words)
            self._is_german = german >= _LEAST_GERMAN * max(1, len(words))
        return self._is_german


def _ends(text: _Text, start: int, match: re.Match[str]) -> bool:
    """Return whether the sentence that begins at `start` ends at the match."""
    gap, at, after = match[0], match.start(), match.end()
    if gap.isspace() and gap.count("\n") > 1:
        return True
    if _is_in_brackets(text, start, after):
        return False
    if not gap.isspace():  # a mark of Chinese or Japanese
        return True
    following = text.text[after : after + 1]
    if following.islower() and "\n" in gap and _patterns()[3].match(text.text, after):
        return True
    goes_on = following.islower() and text.has_capitals and not _is_line_left_early(text.text, at, after)
    if goes_on or following in tuple(".,;:)]»"):
        return False
    return text.text[at - 1] != "." or not _is_dot_of_a_word(text, start, at, after)


def _is_line_left_early(text: str, at: int, after: int) -> bool:
    """Return whether the line that ends at `at` had room for the first word of the next line."""
    if "\n" not in text[at:after]:
        return False
    line = text.rfind("\n", max(0, at - _LOOK_BACK), at) + 1
    above = text.rfind("\n", max(0, line - _LOOK_BACK), max(0, line - 1)) + 1
    below = text[after : after + _LOOK_AHEAD].split("\n", 1)[0]
    width = max(line - 1 - above, len(below))
    return at - line + 1 + len(below.split(maxsplit=1)[0]) < _FULL_LINE * width


def _is_dot_of_a_word(text: _Text, start: int, at: int, after: int) -> bool:
    """Return whether the dot before `at` belongs to the word in front of it."""
    before = text.text[max(start, at - 40) : at]
    if before.endswith("....") or _is_marker(text.text, start, at):
        return True
    word = (before[:-1].rsplit(maxsplit=1) or [""])[-1].lstrip("(\"'“„«[").lower()
    always, before_figures, endings, *_ = _words()
    if word in always or (word in before_figures and text.text[after].isdigit()):
        return True
    if word.isdigit():  # an ordinal
        return len(word) < 3 and not _begins_anew(text.text, after) and text.is_german()
    is_initial = word.replace(".", "").isalpha() and all(len(part) == 1 for part in word.split("."))
    return (is_initial or word in endings) and not _begins_anew(text.text, after)


def _is_marker(text: str, start: int, at: int) -> bool:
    """Return whether the line up to `at` is no more than the marker of a list's item."""
    line = text.rfind("\n", max(start, at - 12), at) + 1 or start
    return at - line <= 12 and _patterns()[1].match(text[line:at]) is not None


def _begins_anew(text: str, at: int) -> bool:
    """Return whether a word that begins sentences is at this place."""
    word = _patterns()[2].search(text, at, at + 20)
    return word is not None and word[0].lower() in _words()[3] and text[word.end() : word.end() + 1] != "."


def _is_in_brackets(text: _Text, start: int, after: int) -> bool:
    """Return whether a bracket that this sentence has opened is closed soon after the mark, in the same paragraph."""
    first = max(start, after - _LOOK_BACK)
    for opened, closed in text.brackets:
        if text.text.rfind(opened, first, after) > text.text.rfind(closed, first, after):
            end = text.text.find(closed, after, after + _LOOK_AHEAD)
            if end >= 0 and text.text.find("\n\n", after, end) < 0:
                return True
    return False


def _stripped(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    piece = text[start:end]
    shown = piece.strip()
    if shown:
        start += len(piece) - len(piece.lstrip())
        yield start, start + len(shown)
