"""Chooses the sentences of excerpts that are worth asking about.

A sentence weighs more with rare words (BM25's inverse document frequency, over the sentences at hand), with words of
the concept, with words of the learner's interests, and near the beginning of its excerpt. It weighs less with words
that point to what is not shown.
"""

import math
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import cache, lru_cache

from msgspec import Struct

from chalicelib.model.chat.questions import EMPTY
from chalicelib.model.ingest.sentences import CLOSERS, SPACED_MARKS, UNSPACED_MARKS, sentence_spans
from chalicelib.model.practice.clarity import clarity, lone_letter
from chalicelib.model.practice.exercises import Excerpt
from chalicelib.model.practice.self_contained import OPENERS, dependence
from chalicelib.model.practice.wording import read_words
from chalicelib.model.search.language import language_of
from chalicelib.model.search.lexical import ngrams_in

MIN_WORDS, MAX_WORDS = 8, 40  # of a sentence that an exercise is made of
MAX_WRAPPED = 160  # characters of a line; text that has longer ones is not broken into lines
MIN_LONE_LETTERS = 2  # from so many single letters on a sentence is a formula in words
COMFORTABLE_WORDS = 26  # a longer one is worth less
LEAST_CLARITY = 0.0  # of a sentence that is not doubtful
RARITY = 0.5  # what its rare words count
MIN_UNSPACED, MAX_UNSPACED = 18, 120  # characters, where words have no spaces between them
ENDS = (SPACED_MARKS + UNSPACED_MARKS).translate(
    {ord(mark): None for mark in "?？؟…"}
)  # a question is not asked about
LETTERS = 0.78  # share of letters among a sentence's characters; formulas and tables have fewer
HEADING_SHARE = 0.7  # a heading is shorter than this share of the line below it


class Sentence(Struct, frozen=True, kw_only=True):
    """A sentence of an excerpt. `weight` is how much it is worth asking about.

    `is_doubtful`: it may be a title or a caption, point to another sentence, or be unclear alone.
    """

    text: str
    excerpt: Excerpt
    weight: float
    is_doubtful: bool


def choose_sentences(concept: str, excerpts: Sequence[Excerpt], interests: Sequence[str]) -> list[Sentence]:
    """Return the sentences that exercises can be made of, best first."""
    found = [
        (text, excerpt, n, clarity(text, plain.partition(text)[0], language) - dependence(text, language))
        for excerpt in excerpts
        for plain, language in [(" ".join(excerpt.text.split()), language_of(excerpt.text))]
        for n, text in enumerate(whole_sentences(excerpt.text))
    ]
    stems = [{word.stem for word in read_words(text)} for text, *_ in found]
    rarity = rarity_of(stems)
    wanted = {word.stem for word in read_words(concept)}
    liked = {word.stem for interest in interests for word in read_words(interest)}
    sentences = [
        Sentence(
            text=text,
            excerpt=excerpt,
            weight=RARITY * sum(rarity[stem] for stem in own) / (4 + len(own))
            + 3 * len(own & wanted) / max(1, len(wanted))
            + len(own & liked)
            - 0.05 * min(place, 20)
            - 0.05 * max(0, len(text.split()) - COMFORTABLE_WORDS)
            + clear,
            is_doubtful=clear < LEAST_CLARITY,
        )
        for (text, excerpt, place, clear), own in zip(found, stems, strict=True)
    ]
    return sorted(sentences, key=lambda sentence: -sentence.weight)


@lru_cache(maxsize=256)
def whole_sentences(text: str) -> tuple[str, ...]:
    """Return the sentences of a text that can be asked about, each on one line and once."""
    is_wrapped = max(map(len, text.split("\n"))) <= MAX_WRAPPED
    pieces = (
        _without_headings(text[start:end], is_wrapped=is_wrapped)
        if start == 0 or text[start - 1] == "\n"
        else text[start:end]
        for start, end in sentence_spans(text)
    )
    kept = dict.fromkeys(_label().sub("", " ".join(piece.split())) for piece in pieces)
    return tuple(sentence for sentence in kept if _is_whole(sentence))


def rarity_of(groups: Sequence[Iterable[str]]) -> dict[str, float]:
    """Return BM25's inverse document frequency of each word, with the groups as documents."""
    counts = Counter(word for group in groups for word in set(group))
    return {word: math.log(1 + (len(groups) - n + 0.5) / (n + 0.5)) for word, n in counts.items()}


def _without_headings(piece: str, *, is_wrapped: bool) -> str:
    """Return the sentence without the lines in front of it that are a heading or a page's header."""
    lines = piece.split("\n")
    if not is_wrapped:
        return lines[-1]  # each line is a paragraph
    begins = [n for n in range(1, len(lines)) if _begins_sentence(lines[n], after=lines[n - 1])]
    lines = lines[begins[-1] if begins else 0 :]
    while len(lines) > 1:
        first, second = lines[0].strip(), lines[1].strip()
        is_short = len(first) < HEADING_SHARE * len(second) or len(first.split()) <= 4
        if not (is_short and (second[:1].isupper() or not second)) and first:
            break
        if first and first[-1] in ",;-":
            break
        lines = lines[1:]
    return "\n".join(lines)


def _begins_sentence(line: str, *, after: str) -> bool:
    """Return whether a line begins with a word that has a capital only at the beginning of a sentence."""
    first, last = line.split(maxsplit=1)[:1], after.split()[-1:]
    return (
        bool(first and last)
        and first[0] in OPENERS
        and last[0].lower() not in EMPTY
        and last[0][-1] not in ",;-"
    )


def _is_whole(sentence: str) -> bool:
    bare = sentence.rstrip(CLOSERS)
    if not bare or bare[-1] not in ENDS or bare.endswith(("...", "…")):
        return False
    if ngrams_in(sentence):
        length_fits = MIN_UNSPACED <= len(sentence) <= MAX_UNSPACED
    else:
        length_fits = MIN_WORDS <= len(sentence.split()) <= MAX_WORDS and sentence[0].isupper()
    return length_fits and _is_prose(sentence)


def _is_prose(sentence: str) -> bool:
    shown = [char for char in sentence if not char.isspace()]
    letters = sum(char.isalpha() for char in shown)
    digits = sum(char.isdigit() for char in shown)
    brackets = (("(", ")"), ("[", "]"), ("{", "}"))
    return (
        letters + digits / 2 >= LETTERS * len(shown)
        and all(sentence.count(a) == sentence.count(b) for a, b in brackets)
        and sentence.count('"') % 2 == 0
        and not _not_prose().search(sentence)
        and len(lone_letter().findall(sentence)) < MIN_LONE_LETTERS
    )


@cache
def _not_prose() -> re.Pattern[str]:
    """Match what running text does not have: addresses, formulas, contents lists, captions, references, licences."""
    return re.compile(
        r"https?:|www\.|\S@\S|[=<>∈⊆∀∃→⇒∑∫|\\{}~^_]|\.{3,}|…|\uFFFD|"
        r"^(?:Figure|Fig\.|Table|Listing|Algorithm|Abb\.|Abbildung|Tabelle|Tableau|Figura|Tabla|Рис|Таблица|Beispiel|"
        r"Definition|Satz|Lemma|Theorem|Beweis|Proof|Acknowledg|Copyright|©)|"
        r"\b(?:Bemerkung|Definition|Satz|Beispiel|Lemma|Korollar|Theorem|Proposition|Remark|Example|Corollary|"
        r"Behauptung|Aufgabe|Exercise) \d|\b(?:Beweis|Proof)[:.]|"
        r"\b[Ss]ee (?:(?:also|the|below|above)\b|[‘“])|"
        r"\b(?:see|shown in|siehe|in) (?:Figure|Fig|Table|Section|Abb|Kapitel)|\b(?:ISBN|doi|arXiv|Proceedings|Proc\.|"
        r"PhD thesis|pages \d)|\[\d+\] [A-Z]|\b[A-Z]\. (?:[A-Z]\. )?[A-Z][a-z]+,|\b[A-Z]\. [A-Z]\. |"
        r"\bcopyright\b|all rights reserved|republish|\bpermission\b|"
        r"\b[Tt]he (?:figure|table|chart|graph|diagram)s? (?:shows?|above|below)\b|\b(?:pp?|[Vv]ol|para)\. ?\d|"
        r"[a-z]{4,}\. [^\W\d_]|\d\. (?:An?|If|In|It|The|This|Use)\b|"
        r"[•▪◦*†‡§¶]|et\.? al\b|, (?:19|20)\d\d\.$|"
        r"\b(?:etc|usw|т\. ?[дп])\.{1,2}$"
    )


@cache
def _label() -> re.Pattern[str]:
    """Match the label in front of a sentence of a structured abstract."""
    return re.compile(
        r"^(?:[A-Z]{4,}(?: (?:AND |OF |& )?[A-Z]{3,})*(?:\(S\))?|"
        r"Abstract|AIMS?|Methods?|Results?|Conclusions?|Background|Objectives?|Design|"
        r"Setting|Findings|Interpretation|Aims?|Purpose):?\s+(?:\([a-z]\)\s+)?(?=[A-Z\d])"
    )
