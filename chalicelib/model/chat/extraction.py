"""Chooses the sentences that answer a question best without a chat model, and tells how sure that answer is.

A sentence's score is the sum of what it means, the question's words that it and its page have, and whether it has
what the question asks for: an amount, a date, a reason. docs/chat.md has what was measured.
"""

import math
import re
from collections import Counter
from collections.abc import Sequence
from typing import Literal

from msgspec import Struct

from chalicelib.model.chat.citations import proves_something
from chalicelib.model.chat.kinds import Kind, fits, kind_of
from chalicelib.model.chat.questions import content_words, words_of
from chalicelib.model.ingest.sentences import is_ended, sentence_spans
from chalicelib.model.search.folding import DENIALS
from chalicelib.model.search.language import language_of
from chalicelib.model.search.ranking import RELEVANT

Certainty = Literal["sure", "possible", "none"]
MAX_SENTENCES = 4
MAX_ABROAD = 2
MAX_CHARS = 400
MAX_ENDED_CHARS = 1_000  # a sentence that ends with a mark is not cut so soon
MIN_CHARS_UNENDED = 40  # a shorter sentence without an end mark is a heading or a page's footer
_HEADING_SHARE = 0.7  # a heading is shorter than this share of the longest line below it
_STEM_CHARS = 6  # tomato and tomatoes are one word; coarse, but the rest of the score is by meaning
_MEANING, _WORDS, _PAGE = 0.5, 0.5, 0.3
_FIT: dict[Kind, float] = {"reason": 0.15, "date": 0.15, "definition": 0.2}
_FIGURES = ("total", "amount", "count", "date")
_TOTAL = 0.3  # a line with a total needs no other word of the question
_FIT_ELSE = 0.1
_ECHO = 1.0  # what a heading loses that only repeats a question which asks for something: it is no answer
# What a line of a contents list, boilerplate, and a line without a sentence lose.
_LISTING, _REPEATED, _LINE = 0.5, 0.1, 0.05
# Bounds of the best sentence's score; _MIN_SHARE_OF_BEST is the share of it that the other sentences must have.
_SURE, _POSSIBLE, _MIN_SHARE_OF_BEST = 0.58, 0.445, 0.85


class Candidate(Struct, frozen=True, kw_only=True):
    """A sentence, or a line of a table with its `heads`, that may be an answer.

    `before` is the end of what stands above it. `meaning` is the relevance of its passage's best chunk by its cosine
    (model/search/ranking.py), `coverage` the share of the question's weight that its page has; None where the page was
    not found that way. `is_listing`: of a contents list, an index or a list of exhibits. `is_repeated`: boilerplate.
    """

    text: str
    heads: str = ""
    before: str = ""
    meaning: float | None = None
    coverage: float | None = None
    is_line: bool = False
    is_listing: bool = False
    is_repeated: bool = False


class Choice(Struct, frozen=True, kw_only=True):
    """The positions of the chosen sentences, best first. `certainty` tells how sure it is that they answer."""

    positions: tuple[int, ...]
    certainty: Certainty


def sentences_of(text: str) -> list[str]:
    """Return the sentences of a text that can be quoted, each once. A sentence that is too long is cut at a word."""
    found = (text[start:end] for start, end in sentence_spans(text))
    return list(filter(is_quotable, dict.fromkeys(map(cut, found))))


def is_quotable(sentence: str) -> bool:
    """Return whether the text is long enough to prove something, and no heading or footer."""
    return (is_ended(sentence) or len(sentence) >= MIN_CHARS_UNENDED) and proves_something(sentence)


def with_headings(sentence: str, text: str, *, begins_page: bool) -> str:
    """Return a sentence of the text as the answer shows it: with a colon after each heading in front of it.

    A heading is a line of its own, ends without a punctuation mark, and is shorter than the lines below it: running
    text fills its lines. `begins_page`: the text begins where its page begins.
    """
    at = text.find(sentence)
    said, _, rest = sentence.partition("\n")
    if at < 0 or not (text[at - 1] == "\n" if at else begins_page):
        return sentence
    line = said
    while rest and _is_heading(line, rest):
        line, _, rest = rest.partition("\n")
        said += f": {line}"
    return f"{said}\n{rest}" if rest else said


def score_words(question: str, searched: str, candidates: Sequence[Candidate]) -> list[float]:
    """Return each candidate's score without its meaning.

    `searched` is the question with words carried over from earlier questions; those words count half.
    """
    kind = kind_of(question)
    alone = _coverage(question, searched, [each.text for each in candidates])
    tabled = [f"{each.heads}\n{each.text}" for each in candidates]
    below_heads = _coverage(question, searched, tabled, before=[each.before for each in candidates])
    return [
        _WORDS * (own + with_heads) / 2
        + _PAGE * (each.coverage or 0.0)
        + _fit(kind, each, question)
        - _LISTING * each.is_listing
        - _REPEATED * each.is_repeated
        - _ECHO * (kind is not None and _is_echo(question, each))
        for each, own, with_heads in zip(candidates, alone, below_heads, strict=True)
    ]


def choose(
    candidates: Sequence[Candidate], scores: Sequence[float], *, without_vectors: bool = False
) -> Choice:
    """Return the best candidates, and how sure it is that they answer the question.

    `scores` are those of score_words. A passage's meaning stands for that of its sentences. Without vectors, words
    count twice.
    """
    totals = [
        score
        + (score - _PAGE * (each.coverage or 0.0) if without_vectors else _MEANING * (each.meaning or 0.0))
        for each, score in zip(candidates, scores, strict=True)
    ]
    order = sorted(range(len(candidates)), key=lambda n: (-totals[n], n))
    best = totals[order[0]] if order else 0.0
    least = max(_MIN_SHARE_OF_BEST * best, _SURE if best >= _SURE else _POSSIBLE)
    chosen = list[int]()
    for n in order:
        if totals[n] < least or len(chosen) == MAX_SENTENCES:
            break
        if not any(_alike(candidates[n].text, candidates[other].text) for other in chosen):
            chosen.append(n)
    certainty: Certainty = "sure" if best >= _SURE else "possible" if chosen else "none"
    return Choice(positions=tuple(chosen), certainty=certainty)


def fitting(question: str, candidates: Sequence[Candidate], positions: Sequence[int]) -> list[int]:
    """Return the positions, best first, without sentences that add nothing.

    If the best sentence has the figure that the question asks for, sentences without a figure add nothing.
    """
    kind = kind_of(question)
    if kind not in _FIGURES:
        return list(positions)
    fit = [fits(kind, candidates[n].text, question=question) or 0.0 for n in positions]
    return [n for n, has in zip(positions, fit, strict=True) if has > 0 or fit[0] < 1]


def possible_abroad(question: str, candidates: Sequence[Candidate]) -> list[int]:
    """Return the positions of the sentences nearest in meaning, if they are relevant and in another language.

    They share few words with the question, so a low score by words does not show that they are no answer.
    """
    asked = language_of(question)
    if asked is None:
        return []
    near = [
        n
        for n, each in enumerate(candidates)
        if (each.meaning or 0.0) >= RELEVANT and language_of(each.text) not in (asked, None)
    ]
    return sorted(near, key=lambda n: -(candidates[n].meaning or 0.0))[:MAX_ABROAD]


def _fit(kind: Kind | None, candidate: Candidate, question: str) -> float:
    """Return what a candidate gains or loses because it has, or lacks, what the question asks for."""
    fit = fits(kind, candidate.text, question=question)
    if fit is None:
        return -_LINE * candidate.is_line
    if kind is None or kind == "total":
        return _TOTAL * fit
    return _FIT.get(kind, _FIT_ELSE) * (fit - 0.5)


def _is_echo(question: str, candidate: Candidate) -> bool:
    said = content_words(f"{candidate.heads}\n{candidate.text}")
    return {*map(_stem, said)} <= {*map(_stem, content_words(question))}


def _coverage(
    question: str, searched: str, sentences: Sequence[str], *, before: Sequence[str] = ()
) -> list[float]:
    """Return how much of the question each sentence has, 0..1, together with the text before it.

    A word that few of the sentences have counts more.
    """
    own = set(map(_stem, content_words(question)))
    wanted = own | set(map(_stem, content_words(searched)))
    present = [set(map(_stem, words_of(sentence))) & wanted for sentence in sentences]
    counts = Counter(word for words in present for word in words)
    weight = {
        word: (1 if word in own else 0.5) * math.log(1 + len(sentences) / (0.5 + counts[word]))
        for word in wanted
    }
    total = sum(weight.values())
    for words, text in zip(present, before, strict=False):
        words.update(set(map(_stem, words_of(text))) & wanted)
    return [sum(map(weight.__getitem__, words)) / total if total else 0.0 for words in present]


def _stem(word: str) -> str:
    if not word.replace("'", "").replace("’", "").isalpha():  # a name of code, a number
        return word
    root = word.removesuffix("ing") if len(word) > _STEM_CHARS else word
    return root[:_STEM_CHARS].rstrip("s")


def _alike(one: str, other: str) -> bool:
    """Return whether two sentences share nearly all words, and so would repeat each other.

    They are different if each has a number that the other has not, or if only one has a negation.
    """
    a, b = set(words_of(one)), set(words_of(other))
    if (_has_figures(a - b) and _has_figures(b - a)) or _denies(a ^ b):
        return False
    return len(a & b) >= 0.8 * max(1, min(len(a), len(b)))


def _denies(words: set[str]) -> bool:
    return any(part in DENIALS for word in words for part in re.split("['’]", word))


def _has_figures(words: set[str]) -> bool:
    return any(char.isdigit() for word in words for char in word)


def _is_heading(line: str, below: str) -> bool:
    longest = max(map(len, below.split("\n")))
    begins_anew = all(part[:1].isupper() or part[:1].isdigit() for part in (line, below))
    return begins_anew and line[-1:].isalnum() and len(line) < _HEADING_SHARE * longest


def cut(sentence: str) -> str:
    """Return a sentence that is too long cut at a word's end, or within a word if it is written without spaces."""
    if len(sentence) <= (MAX_ENDED_CHARS if is_ended(sentence) else MAX_CHARS):
        return sentence
    words, *cut_off = sentence[: MAX_CHARS + 1].rsplit(maxsplit=1)
    return words if cut_off and len(words) > MAX_CHARS // 2 else sentence[:MAX_CHARS]
