"""Picks the sentences that fit a question best, without a chat model."""

import math
import re
from collections import Counter
from collections.abc import Sequence

from chalicelib.model.chat.citations import proves_something
from chalicelib.model.chat.questions import content_words, words_of
from chalicelib.model.ingest.sentences import is_ended, sentence_spans
from chalicelib.model.search.folding import DENIALS

SHORTLISTED = 24  # a local model embeds about 50 sentences a second
MAX_SENTENCES = 4
MAX_CHARS = 400
MIN_CHARS_UNENDED = 40  # a shorter sentence without an end mark is a heading or a page's footer
_HEADING_SHARE = 0.7  # a heading is shorter than this share of the longest line below it
_STEM_CHARS = 6  # tomato and tomatoes are one word; coarse, but the rest of the score is by meaning
_MEANING_WEIGHT, _WORDS_WEIGHT = 0.6, 0.4
# _MIN_SCORE was measured on the samples. For ten questions that they answer, the best sentence scored 0.42 or more;
# for ten that they do not answer, 0.36 or less. _MIN_SHARE_OF_BEST is a share of the best sentence's score.
_MIN_SCORE, _MIN_SHARE_OF_BEST = 0.38, 0.8
# For sentences of passages that do not count as relevant. A page about many subjects can be far from a question that
# one of its sentences answers. Of 38 questions to the samples, 8 had no relevant passage; for 5 of these 8 the best
# sentence scored 0.45 or more and was the answer. Of 30 questions without an answer, one had a sentence that scored
# so high; of 120 questions to the texts of SciFact and NPL, none had.
_MIN_SCORE_IF_IRRELEVANT = 0.45


def sentences_of(text: str) -> list[str]:
    """Return the sentences of a text that can be quoted, each once. A sentence that is too long is cut at a word."""
    found = (text[start:end] for start, end in sentence_spans(text))
    cut = dict.fromkeys(map(_cut, found))
    return [
        each for each in cut if is_ended(each) or len(each) >= MIN_CHARS_UNENDED if proves_something(each)
    ]


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


def shortlist(question: str, searched: str, sentences: Sequence[str]) -> list[int]:
    """Return the positions, ascending, of the SHORTLISTED sentences that are to be embedded.

    These are the sentences that cover most of the question; of equal ones, the first.
    """
    coverage = _coverage(question, searched, sentences)
    order = sorted(range(len(sentences)), key=lambda n: (-coverage[n], n))
    return sorted(order[:SHORTLISTED])


def choose_sentences(
    question: str,
    searched: str,
    sentences: Sequence[str],
    similarities: Sequence[float] | None,
    *,
    is_relevant: bool = True,
) -> list[int]:
    """Return the positions of the best sentences, best first; an empty list if no sentence scores high enough.

    `searched` is the question with words carried over from earlier questions; those words count half. `similarities`
    are the sentences' cosines with `searched`, None without vectors. With `is_relevant` False, when the passages do
    not count as relevant, the best sentence must score higher and vectors are needed.
    """
    coverage = _coverage(question, searched, sentences)
    if similarities is None:
        scores = coverage
    else:
        scores = [
            _MEANING_WEIGHT * cosine + _WORDS_WEIGHT * words
            for cosine, words in zip(similarities, coverage, strict=True)
        ]
    order = sorted(range(len(sentences)), key=lambda n: (-scores[n], n))
    if not is_relevant and (similarities is None or max(scores, default=0.0) < _MIN_SCORE_IF_IRRELEVANT):
        return []
    chosen = list[int]()
    for n in order:
        if scores[n] < max(_MIN_SCORE, _MIN_SHARE_OF_BEST * scores[order[0]]) or len(chosen) == MAX_SENTENCES:
            break
        if not any(_alike(sentences[n], sentences[other]) for other in chosen):
            chosen.append(n)
    return chosen


def _coverage(question: str, searched: str, sentences: Sequence[str]) -> list[float]:
    """Return how much of the question each sentence has, 0..1. A word that few of the sentences have counts more."""
    own = set(map(_stem, content_words(question)))
    wanted = own | set(map(_stem, content_words(searched)))
    present = [set(map(_stem, words_of(sentence))) & wanted for sentence in sentences]
    counts = Counter(word for words in present for word in words)
    weight = {
        word: (1 if word in own else 0.5) * math.log(1 + len(sentences) / (0.5 + counts[word]))
        for word in wanted
    }
    total = sum(weight.values())
    return [sum(map(weight.__getitem__, words)) / total if total else 0.0 for words in present]


def _stem(word: str) -> str:
    return word[:_STEM_CHARS].rstrip("s")


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


def _cut(sentence: str) -> str:
    """Return the sentence cut to MAX_CHARS at a word's end, or within a word if it is written without spaces."""
    if len(sentence) <= MAX_CHARS:
        return sentence
    words, *cut_off = sentence[: MAX_CHARS + 1].rsplit(maxsplit=1)
    return words if cut_off and len(words) > MAX_CHARS // 2 else sentence[:MAX_CHARS]
