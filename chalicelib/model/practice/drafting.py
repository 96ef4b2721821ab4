"""Drafts exercises from sentences without a chat model: it chooses the term to ask for, the cut, the distractors."""

import random
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import TypeVar

from msgspec.structs import replace

from chalicelib.model.practice.asking import ask
from chalicelib.model.practice.cutting import short_answer
from chalicelib.model.practice.distractors import distractors_of, likeness
from chalicelib.model.practice.exercises import GAP, Draft, Kind
from chalicelib.model.practice.key_fitness import KeyFitness
from chalicelib.model.practice.sentence_choice import Sentence
from chalicelib.model.practice.terms import Term, terms_of
from chalicelib.model.practice.wording import read_words
from chalicelib.model.search.language import language_of

KEYS, CHOICE_KEYS = 2, 4  # of a sentence are tried; a multiple choice needs one with distractors
# Terms that are compared by their vectors: rivals of each key of the best sentences.
EMBEDDED_SENTENCES, MAX_RIVALS, MAX_EMBEDDED = 40, 40, 256
TURN = 0.7  # what each further sentence of a page loses
Vectors = Mapping[str, Sequence[float]]
Rated = tuple[float, Draft]
T = TypeVar("T")


class Drafting:
    """Drafts exercises from these sentences. `language`: of the app's own words, None for that of each sentence."""

    def __init__(
        self, sentences: Sequence[Sentence], *, concept: str, language: str | None, seed: str
    ) -> None:
        self._sentences, self._language, self._seed = sentences, language, seed
        spoken = {excerpt: language_of(excerpt.text) for excerpt in {each.excerpt for each in sentences}}
        self._languages = [spoken[sentence.excerpt] for sentence in sentences]
        self._pool = terms_of([sentence.text for sentence in sentences], self._languages)
        self._wanted = frozenset(word.stem for word in read_words(concept))
        self._fitness = KeyFitness(self._pool, self._wanted)

    def terms_to_embed(self) -> list[str]:
        """Return the keys and the terms that may become their distractors, those of the best sentences first."""
        by_shape: dict[tuple[str, ...], list[str]] = {}
        for terms in self._pool:
            for term in terms:
                by_shape.setdefault(term.shape, []).append(term.text)
        keys = [term for terms in self._pool[:EMBEDDED_SENTENCES] for term in self._keys(terms, CHOICE_KEYS)]
        wanted = (
            each
            for key in keys
            if key.kind != "number"
            for each in (key.text, *by_shape[key.shape][:MAX_RIVALS])
        )
        return list(dict.fromkeys(wanted))[:MAX_EMBEDDED]

    def drafts(self, kind: Kind, vectors: Vectors, *, safe: bool | None = None) -> Iterator[Rated]:
        """Yield drafts of a kind that is made of one sentence, best first, each with how good it is.

        The same arguments give the same drafts.

        `safe`: only those that are clear alone and ask for what hardly another word says; False: only the others.
        """
        chance = random.Random(f"{self._seed}{kind}")  # noqa: S311 - it only shuffles
        if kind == "short_answer":
            yield from self._short_answers(safe)
            return
        most = CHOICE_KEYS if kind == "multiple_choice" else KEYS
        found = [
            (sentence.weight + self._fitness.of(key, kind), n, key)
            for n, (sentence, terms) in enumerate(zip(self._sentences, self._pool, strict=True))
            for key in self._keys(
                [term for term in terms if safe in (None, self._is_safe(n, term, kind))], most
            )
        ]
        for worth, n, key in self._in_turns(found):
            sentence = self._sentences[n]
            draft = _gapped(sentence, key, self._language or self._languages[n])
            if kind == "multiple_choice":
                draft = self._choice(draft, sentence, key, vectors, chance)
            yield worth, self._with_subject(draft, self._pool[n])

    def _short_answers(self, safe: bool | None) -> Iterator[Rated]:
        found = list[tuple[float, int, Draft]]()
        for n, sentence in enumerate(self._sentences):
            asked = short_answer(sentence, self._language or self._languages[n])
            if asked and safe in (None, asked[0] > 0 and not sentence.is_doubtful):
                found.append((sentence.weight + asked[0], n, asked[1]))
        for worth, n, draft in self._in_turns(found):
            yield worth, self._with_subject(draft, self._pool[n])

    def _in_turns(self, found: Sequence[tuple[float, int, T]]) -> list[tuple[float, int, T]]:
        """Return what was found in sentences, best first. Without a concept each further one of a page loses some."""
        turns = Counter[tuple[str, int, str]]()
        ranked = list[tuple[float, int, T]]()
        for worth, n, each in sorted(found, key=lambda one: (-one[0], one[1])):
            excerpt = self._sentences[n].excerpt
            page = (excerpt.item_id, excerpt.page, excerpt.source)
            ranked.append((worth - (0 if self._wanted else TURN * turns[page]), n, each))
            turns[page] += 1
        return sorted(ranked, key=lambda one: -one[0])

    def _keys(self, terms: Sequence[Term], most: int) -> list[Term]:
        return sorted(terms, key=lambda term: -self._fitness.of(term))[:most]

    def _choice(
        self, gapped: Draft, sentence: Sentence, key: Term, vectors: Vectors, chance: random.Random
    ) -> Draft:
        options = [key.text, *distractors_of(key, sentence.text, self._pool, vectors)]
        chance.shuffle(options)
        near = tuple(likeness(key.text, option, vectors) or 0.0 for option in options)
        return replace(gapped, kind="multiple_choice", options=tuple(options), likeness=near)

    def _with_subject(self, draft: Draft, terms: Sequence[Term]) -> Draft:
        """Return the draft with the term that its question is about, as far as its terms tell. It is not the key."""
        shown = [term for term in terms if term.kind != "number" and term.text in draft.question]
        return replace(draft, subject=max(shown, key=self._fitness.of).text) if shown else draft

    def _is_safe(self, n: int, term: Term, kind: Kind) -> bool:
        return not self._sentences[n].is_doubtful and self._fitness.is_safe(term, kind)


def _gapped(sentence: Sentence, key: Term, language: str | None) -> Draft:
    text = sentence.text
    shown = f"{text[: key.start]}{GAP}{text[key.start + len(key.text) :]}"
    return Draft(
        kind="cloze",
        question=ask("complete", language, shown),
        key=key.text,
        quote=text,
        excerpt=sentence.excerpt,
        language=language,
    )
