"""Choose the sentences that answer a question best, without a chat model."""

import math
import re
from collections import Counter
from collections.abc import Sequence

from chalicelib.model.chat.citations import proves_something
from chalicelib.model.chat.questions import content_words, words_of
from chalicelib.model.ingest.chunking import sentence_spans
from chalicelib.model.search.folding import DENIALS

SHORTLISTED = 24  # a local model embeds some 50 sentences a second
MAX_SENTENCES = 4
MAX_CHARS = 400
MIN_CHARS_UNENDED = 40  # a shorter text without an end mark is a heading, or the foot of a page
_HEADING_SHARE = 0.7  # of the length of the longest line below it
_STEM_CHARS = 6  # makes tomato and tomatoes equal; cosines do the rest
_MEANING, _WORDS = 0.6, 0.4
# On the samples the best sentence had .42 and more for ten questions they answer, .36 and less for ten they do not.
_WORTH_SAYING, _OF_THE_BEST = 0.38, 0.8
# A page of many matters can be far from a question that a sentence of it answers. Of 38 questions to the samples the
# passages of 8 did not count as relevant; in 5 of these the best sentence had .45 and more and was the answer. So it
# had for one of 30 questions that nothing answers, and for none of 120 to the texts of SciFact and NPL.
_WORTH_SAYING_ALONE = 0.45


def sentences_of(text: str) -> list[str]:
    """Return the sentences that can be quoted, each once; one longer than MAX_CHARS is cut at a word."""
    found = (text[start:end] for start, end in sentence_spans(text))
    cut = dict.fromkeys(map(_cut, found))
    return [
        each for each in cut if _is_ended(each) or len(each) >= MIN_CHARS_UNENDED if proves_something(each)
    ]


def as_said(sentence: str, text: str, *, begins_page: bool) -> str:
    """Return a sentence of the text as an answer shows it: with a colon behind a heading that stands above it.

    A heading is a line of its own, shorter than those below, that ends without a mark; running text fills its lines.
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
    """Return the indices, in order, of the SHORTLISTED sentences with most of the question; if equal, the first."""
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
    """Return the indices of the best sentences, best first; none when no score is high enough.

    Words that are only in `searched`, carried over from earlier questions, count half. `similarities` are cosines
    with `searched`, None without vectors. When the passages are not relevant, the best sentence needs a higher score.
    """
    coverage = _coverage(question, searched, sentences)
    if similarities is None:
        scores = coverage
    else:
        scores = [
            _MEANING * cosine + _WORDS * words for cosine, words in zip(similarities, coverage, strict=True)
        ]
    order = sorted(range(len(sentences)), key=lambda n: (-scores[n], n))
    if not is_relevant and (similarities is None or max(scores, default=0.0) < _WORTH_SAYING_ALONE):
        return []
    chosen = list[int]()
    for n in order:
        if scores[n] < max(_WORTH_SAYING, _OF_THE_BEST * scores[order[0]]) or len(chosen) == MAX_SENTENCES:
            break
        if not any(_alike(sentences[n], sentences[other]) for other in chosen):
            chosen.append(n)
    return chosen


def _coverage(question: str, searched: str, sentences: Sequence[str]) -> list[float]:
    """Return the share of the question's words that each sentence has, 0..1; rare words count more."""
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
    """Return whether they share 80% of their words, unless both have a figure of their own, or only one denies."""
    a, b = set(words_of(one)), set(words_of(other))
    if (_has_figures(a - b) and _has_figures(b - a)) or _denies(a ^ b):
        return False
    return len(a & b) >= 0.8 * max(1, min(len(a), len(b)))


def _denies(words: set[str]) -> bool:
    return any(part in DENIALS for word in words for part in re.split("['’]", word))


def _has_figures(words: set[str]) -> bool:
    return any(char.isdigit() for word in words for char in word)


def _is_ended(sentence: str) -> bool:
    return sentence.rstrip("\"'”’)]»").endswith(tuple(".!?…。！？"))


def _is_heading(line: str, below: str) -> bool:
    longest = max(map(len, below.split("\n")))
    begins_anew = all(part[:1].isupper() or part[:1].isdigit() for part in (line, below))
    return begins_anew and line[-1:].isalnum() and len(line) < _HEADING_SHARE * longest


def _cut(sentence: str) -> str:
    """Return the first MAX_CHARS of the sentence, cut at a word if it has spaces."""
    if len(sentence) <= MAX_CHARS:
        return sentence
    words, *cut_off = sentence[: MAX_CHARS + 1].rsplit(maxsplit=1)
    return words if cut_off and len(words) > MAX_CHARS // 2 else sentence[:MAX_CHARS]
