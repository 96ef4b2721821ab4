"""Drafts exercises from excerpts without a chat model: it chooses sentences, terms and distractors.

A sentence weighs more with rare words (BM25's inverse document frequency, over the sentences at hand), with words of
the concept, with words of the learner's interests, and near the beginning of its excerpt.
"""

import math
import random
import re
from collections import Counter
from collections.abc import Iterator, Sequence

from msgspec import Struct

from chalicelib.model.chat.extraction import sentences_of
from chalicelib.model.chat.questions import EMPTY
from chalicelib.model.practice.exercises import GAP, Draft, Excerpt, Kind
from chalicelib.model.practice.wording import read_words, stem_of

MIN_WORDS, MAX_WORDS = 7, 45  # of a sentence that an exercise is made of
DISTRACTORS = 3
MIN_STEPS, MAX_STEPS = 3, 8
_TERM = re.compile(r"(?<![\w.,-])(?:\d+(?:[.,]\d+)*|[^\W\d_][^\W\d_-]{3,})(?![\w-])")
_STEP = re.compile(r"^\s*(?:\(?(\d{1,2})[.)]|step (\d{1,2})[.:])\s+(\S.*)$", re.IGNORECASE)
# Endings by which words of one type are told apart: a distractor shares its key's.
_TYPES = ("ing", "ed", "ly", "tion", "ness", "ment", "ity", "ous", "ful", "ive", "al", "es", "s")


class Sentence(Struct, frozen=True, kw_only=True):
    """A sentence of an excerpt. `weight` is how much it is worth asking about."""

    text: str
    excerpt: Excerpt
    weight: float


def choose_sentences(concept: str, excerpts: Sequence[Excerpt], interests: Sequence[str]) -> list[Sentence]:
    """Return the sentences that exercises can be made of, best first."""
    found = [(text, excerpt, n) for excerpt in excerpts for n, text in enumerate(_usable(excerpt.text))]
    stems = [{word.stem for word in read_words(text)} for text, _, _ in found]
    rarity = _rarity(stems)
    wanted = {word.stem for word in read_words(concept)}
    liked = {word.stem for interest in interests for word in read_words(interest)}
    sentences = [
        Sentence(
            text=text,
            excerpt=excerpt,
            weight=sum(rarity[stem] for stem in own) / math.sqrt(1 + len(own))
            + 3 * len(own & wanted) / max(1, len(wanted))
            + len(own & liked)
            - 0.1 * place,
        )
        for (text, excerpt, place), own in zip(found, stems, strict=True)
    ]
    return sorted(sentences, key=lambda sentence: -sentence.weight)


def draft_exercises(kind: Kind, sentences: Sequence[Sentence], *, concept: str, seed: str) -> Iterator[Draft]:
    """Yield drafts of a kind, best first. The same arguments give the same drafts."""
    chance = random.Random(seed)  # noqa: S311 - it only shuffles
    pool = _terms_of(sentences)
    rarity = _rarity([{stem_of(term.lower()) for term in terms} for terms in pool])
    if kind == "ordered_steps":
        for excerpt in dict.fromkeys(sentence.excerpt for sentence in sentences):
            yield from _ordered(excerpt, chance)
        return
    for sentence, terms in zip(sentences, pool, strict=True):
        if kind == "short_answer":
            yield _short_answer(sentence, concept, terms, rarity)
            continue
        for key in sorted(dict.fromkeys(terms), key=lambda term: -_worth(term, rarity, concept))[:2]:
            question = _gapped(sentence.text, key)
            if kind == "cloze":
                yield Draft(
                    kind=kind, question=question, key=key, quote=sentence.text, excerpt=sentence.excerpt
                )
            else:
                options = [key, *_distractors(key, sentence.text, pool)]
                chance.shuffle(options)
                yield Draft(
                    kind=kind,
                    question=question,
                    key=key,
                    options=tuple(options),
                    quote=sentence.text,
                    excerpt=sentence.excerpt,
                )


def type_of(term: str) -> tuple[str, bool, str]:
    """Return by what a distractor must equal its key: number or word, its capital, its ending."""
    if term[0].isdigit():
        return "number", False, ""
    ending = next((each for each in _TYPES if term.lower().endswith(each)), "")
    return "word", term[0].isupper(), ending


def _usable(text: str) -> list[str]:
    kept = []
    for sentence in sentences_of(text):
        one_line = " ".join(sentence.split())
        is_list = _STEP.match(sentence.partition("\n")[0]) is not None
        is_whole = is_list or (
            one_line[-1] in ".!。" and (one_line[0].isupper() or not one_line[0].isascii())
        )
        if is_whole and MIN_WORDS <= len(one_line.split()) <= MAX_WORDS:
            kept.append(one_line)
    return kept


def _rarity(groups: Sequence[set[str]]) -> dict[str, float]:
    """Return BM25's inverse document frequency of each word, with the groups as documents."""
    counts = Counter(word for group in groups for word in group)
    return {word: math.log(1 + (len(groups) - n + 0.5) / (n + 0.5)) for word, n in counts.items()}


def _terms_of(sentences: Sequence[Sentence]) -> list[list[str]]:
    return [
        [term for term in _TERM.findall(sentence.text) if term.lower() not in EMPTY] for sentence in sentences
    ]


def _worth(term: str, rarity: dict[str, float], concept: str) -> float:
    stem = stem_of(term.lower())
    is_named = term[0].isupper() or term[0].isdigit()
    return rarity.get(stem, 0) + is_named + (stem in {word.stem for word in read_words(concept)})


def _gapped(sentence: str, key: str) -> str:
    at = re.search(rf"(?<![\w-]){re.escape(key)}(?![\w-])", sentence)
    shown = f"{sentence[: at.start()]}{GAP}{sentence[at.end() :]}" if at else sentence
    return f"Complete the sentence: {shown}"


def _distractors(key: str, sentence: str, pool: Sequence[Sequence[str]]) -> list[str]:
    """Return terms of the key's type from the other sentences, those of the most similar length first."""
    if key[0].isdigit():
        return _numbers_near(key, sentence)
    taken = {stem_of(word.lower()) for word in re.findall(r"\w+", sentence)}
    found: dict[str, str] = {}
    for term in (term for terms in pool for term in terms):
        stem = stem_of(term.lower())
        if stem not in taken and type_of(term) == type_of(key):
            found.setdefault(stem, term)
    ranked = sorted(found.values(), key=lambda term: abs(len(term) - len(key)))
    return ranked[:DISTRACTORS]


def _numbers_near(key: str, sentence: str) -> list[str]:
    if not key.isdigit() or len(key) > 6:
        return []
    value = int(key)
    steps = (
        (-1, 1, 2, -2, 3)
        if value < 20 or 1000 < value < 2100
        else (-value // 5, value // 5, value // 2, value)
    )
    near = dict.fromkeys(str(value + step) for step in steps if value + step > 0)
    return [each for each in near if each not in sentence][:DISTRACTORS]


def _short_answer(sentence: Sentence, concept: str, terms: Sequence[str], rarity: dict[str, float]) -> Draft:
    named = [term for term in terms if not term[0].isdigit()]
    subject = max(named, key=lambda term: rarity.get(stem_of(term.lower()), 0), default=concept)
    where = f"{sentence.excerpt.item_name}, page {sentence.excerpt.page}"
    return Draft(
        kind="short_answer",
        question=f"What does your document ({where}) say about “{subject}”? Answer in one sentence.",
        key=sentence.text,
        quote=sentence.text,
        excerpt=sentence.excerpt,
    )


def _ordered(excerpt: Excerpt, chance: random.Random) -> Iterator[Draft]:
    """Yield a draft for each numbered list of the excerpt."""
    run: list[str] = []
    lines = [*excerpt.text.splitlines(), ""]
    quoted: list[str] = []
    for line in lines:
        match = _STEP.match(line)
        number = int(match[1] or match[2]) if match else 0
        if match and number == len(run) + 1:
            run.append(match[3].strip())
            quoted.append(line)
            continue
        if MIN_STEPS <= len(run) <= MAX_STEPS:
            shown = run[:]
            while shown == run and len(set(run)) > 1:
                chance.shuffle(shown)
            yield Draft(
                kind="ordered_steps",
                question="Put the steps in order: answer with their letters, the first step first.",
                key="\n".join(run),
                options=tuple(shown),
                quote="\n".join(quoted),
                excerpt=excerpt,
            )
        run, quoted = ([match[3].strip()], [line]) if match and number == 1 else ([], [])
