"""Finds the concepts of texts without a chat model: their headings, labels, and the terms that stand out in them."""

import math
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Literal

from msgspec import Struct

from chalicelib.model.chat.citations import Source
from chalicelib.model.practice.exercises import Excerpt
from chalicelib.model.practice.sentence_choice import whole_sentences
from chalicelib.model.practice.terms import terms_of
from chalicelib.model.practice.wording import read_words
from chalicelib.model.search.language import language_of

Origin = Literal["heading", "label", "term"]
MAX_HEADING_WORDS, MIN_BELOW = 8, 1.4  # a heading is short, and the line below it is so many times as long
RUNNING_SHARE = 0.3  # a line on a larger share of the pages is a running title
MIN_TIMES = 3  # that a term is used
MAX_EXPLANATIONS = 3
WEIGHTS: dict[Origin, float] = {"heading": 3.0, "label": 2.0, "term": 1.0}
_NUMBERING = (
    r"^(?:(?:chapter|section|kapitel|chapitre)\s+)?(?:\d+(?:\.\d+)*|[IVX]+|[A-Z])?[.)]?\s+(?=[^\W\d_])"
)


class Explanation(Struct, frozen=True, kw_only=True):
    """A sentence about a concept: `start` to `end` of the text that `source` has on the page."""

    item_id: str
    item_name: str
    source: str
    page: int
    start: int
    end: int
    text: str


class FoundConcept(Struct, frozen=True, kw_only=True):
    """A phrase that texts are about, where it comes from, and the sentences that explain it, best first."""

    phrase: str
    origin: Origin
    explained_by: tuple[Explanation, ...]


class _Said(Struct, frozen=True, kw_only=True):
    """A sentence with the stems of its words, and its place among the others."""

    text: str
    excerpt: Excerpt
    stems: frozenset[str]


def find_concepts(excerpts: Sequence[Excerpt], labels: Sequence[str], *, limit: int) -> list[FoundConcept]:
    """Return the concepts, those that matter most first. What no sentence explains is none."""
    said = [
        _Said(text=text, excerpt=excerpt, stems=_stems(text))
        for excerpt in excerpts
        for text in whole_sentences(excerpt.text)
    ]
    weights: dict[str, tuple[float, str, Origin]] = {}
    for phrase, weight, origin in (*_headings(excerpts), *_labels(labels), *_terms(said)):
        known = weights.get(_key(phrase))
        if known is None or known[0] < weight:
            weights[_key(phrase)] = (weight, known[1] if known else phrase, known[2] if known else origin)
    found = []
    for _, phrase, origin in sorted(weights.values(), key=lambda each: (-each[0], each[1])):
        explained = _explained(phrase, said)
        if explained:
            found.append(FoundConcept(phrase=phrase, origin=origin, explained_by=explained))
        if len(found) == limit:
            break
    return found


def _headings(excerpts: Sequence[Excerpt]) -> Iterator[tuple[str, float, Origin]]:
    numbering = re.compile(_NUMBERING, re.IGNORECASE)
    on_pages = Counter(line for excerpt in excerpts for line in {*map(str.strip, excerpt.text.splitlines())})
    for excerpt in excerpts:
        lines = [line.strip() for line in excerpt.text.splitlines() if line.strip()]
        for line, below in pairwise(lines):
            bare = numbering.sub("", line)
            is_running = on_pages[line] > max(1, RUNNING_SHARE * len(excerpts))
            if not is_running and _is_heading(bare, below):
                yield bare, WEIGHTS["heading"], "heading"


def _is_heading(line: str, below: str) -> bool:
    words = line.split()
    return (
        0 < len(words) <= MAX_HEADING_WORDS
        and line[0].isupper()
        and line[-1].isalnum()
        and len(below) >= MIN_BELOW * len(line)
        and below[0].isupper()
        and len(_stems(line)) >= 1
        and sum(char.isalpha() for char in line) >= 0.8 * len(line.replace(" ", ""))
    )


def _labels(labels: Sequence[str]) -> Iterator[tuple[str, float, Origin]]:
    for place, label in enumerate(labels):
        yield label, WEIGHTS["label"] - place / 100, "label"


def _terms(said: Sequence[_Said]) -> Iterator[tuple[str, float, Origin]]:
    """Yield the names and nouns that are used often, but not everywhere: by tf-idf over pages."""
    languages = [language_of(each.excerpt.text) for each in said]
    spelt = dict[str, str]()
    sentences_with = Counter(stem for each in said for stem in each.stems)
    pages: dict[str, set[tuple[str, int]]] = {}
    for each, terms in zip(said, terms_of([each.text for each in said], languages), strict=True):
        for term in terms:
            if term.kind != "number" and len(term.text) > 3:
                key = _key(term.text)
                spelt.setdefault(key, term.text)
                pages.setdefault(key, set()).add((each.excerpt.item_id, each.excerpt.page))
    all_pages = len({(each.excerpt.item_id, each.excerpt.page) for each in said})
    scores = {}
    for key, where in pages.items():
        times = min(sentences_with[stem] for stem in key.split(" "))
        if times >= MIN_TIMES:
            scores[key] = times * math.log(1 + all_pages / len(where))
    most = max(scores.values(), default=1.0)
    for key, score in scores.items():
        yield spelt[key], WEIGHTS["term"] + score / most, "term"


def _explained(phrase: str, said: Sequence[_Said]) -> tuple[Explanation, ...]:
    """Return the sentences that have all words of the phrase: those that begin with it, then the shorter ones."""
    wanted = _stems(phrase)
    having = [each for each in said if wanted and wanted <= each.stems]
    having.sort(key=lambda each: (not wanted <= _stems(" ".join(each.text.split()[:6])), len(each.text)))
    found = []
    for each in having[:MAX_EXPLANATIONS]:
        span = Source(each.excerpt.text).find(each.text)
        if span is None:
            continue
        found.append(
            Explanation(
                item_id=each.excerpt.item_id,
                item_name=each.excerpt.item_name,
                source=each.excerpt.source,
                page=each.excerpt.page,
                start=each.excerpt.start + span[0],
                end=each.excerpt.start + span[1],
                text=each.text,
            )
        )
    return tuple(found)


def _stems(text: str) -> frozenset[str]:
    return frozenset(word.stem for word in read_words(text))


def _key(phrase: str) -> str:
    return " ".join(sorted(_stems(phrase))) or phrase.lower()
