"""Picks, without a model, the sentences that answer a question best."""

import math
from collections import Counter
from collections.abc import Sequence

from chalicelib.model.chunking import sentence_spans
from chalicelib.model.questions import content_words, words_of

SHORTLISTED = 24  # a local model embeds some 50 sentences a second
MAX_SENTENCES = 4
MAX_CHARS = 400
MIN_CHARS, MIN_CHARS_UNENDED = 10, 40  # what is short and has no end is a heading, or a page's foot
_STEM_CHARS = 6  # tomato is tomatoes: enough, where the other half of the score is by meaning
_MEANING, _WORDS = 0.6, 0.4
# On the samples the best sentence had .42 and more for ten questions they answer, .36 and less for ten they do not.
_WORTH_SAYING, _OF_THE_BEST = 0.38, 0.8


def sentences_of(text: str) -> list[str]:
    """The sentences that can be quoted, each once; one too long is cut at a word."""
    found = (text[start:end] for start, end in sentence_spans(text))
    return list(dict.fromkeys(_cut(each) for each in found if len(each) >= _least(each)))


def shortlist(question: str, searched: str, sentences: Sequence[str]) -> list[int]:
    """The places of those worth a vector, in order: the ones with most of the question, then the first."""
    coverage = _coverage(question, searched, sentences)
    order = sorted(range(len(sentences)), key=lambda n: (-coverage[n], n))
    return sorted(order[:SHORTLISTED])


def choose_sentences(
    question: str, searched: str, sentences: Sequence[str], similarities: Sequence[float] | None
) -> list[int]:
    """The places of the best, best first; none when nothing is worth saying.

    Words that are only in `searched`, carried over from earlier questions, count half. `similarities` are cosines
    with it, None where there are no vectors.
    """
    coverage = _coverage(question, searched, sentences)
    if similarities is None:
        scores = coverage
    else:
        scores = [
            _MEANING * cosine + _WORDS * words for cosine, words in zip(similarities, coverage, strict=True)
        ]
    order = sorted(range(len(sentences)), key=lambda n: (-scores[n], n))
    chosen = list[int]()
    for n in order:
        if scores[n] < max(_WORTH_SAYING, _OF_THE_BEST * scores[order[0]]) or len(chosen) == MAX_SENTENCES:
            break
        if not any(_alike(sentences[n], sentences[other]) for other in chosen):
            chosen.append(n)
    return chosen


def _coverage(question: str, searched: str, sentences: Sequence[str]) -> list[float]:
    """How much of the question each has, 0..1; a word that few of them have counts more."""
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
    a, b = set(words_of(one)), set(words_of(other))
    return len(a & b) >= 0.8 * max(1, min(len(a), len(b)))


def _least(sentence: str) -> int:
    return MIN_CHARS if sentence.rstrip("\"'”’)]»")[-1:] in ".!?…。！？" else MIN_CHARS_UNENDED


def _cut(sentence: str) -> str:
    if len(sentence) <= MAX_CHARS:
        return sentence
    return sentence[: sentence.rfind(" ", 0, MAX_CHARS) if " " in sentence[:MAX_CHARS] else MAX_CHARS]
