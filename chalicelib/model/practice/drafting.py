"""Drafts exercises from sentences without a chat model: it chooses the term to ask for, the cut, the distractors."""

import random
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from functools import cache

from msgspec.structs import replace

from chalicelib.model.chat.questions import content_words
from chalicelib.model.practice.asking import ask
from chalicelib.model.practice.distractors import distractors_of, likeness
from chalicelib.model.practice.exercises import GAP, Draft, Excerpt, Kind
from chalicelib.model.practice.self_contained import has_verb
from chalicelib.model.practice.sentence_choice import Sentence, rarity_of
from chalicelib.model.practice.terms import Term, terms_of
from chalicelib.model.practice.wording import read_words, stem_of
from chalicelib.model.search.language import language_of
from chalicelib.model.search.lexical import ngrams_in

KEYS, CHOICE_KEYS = 2, 4  # of a sentence are tried; a multiple choice needs one with distractors
MIN_STEPS, MAX_STEPS, MAX_STEP_CHARS = 3, 8, 200
# Terms that are compared by their vectors: rivals of each key of the best sentences.
EMBEDDED_SENTENCES, MAX_RIVALS, MAX_EMBEDDED = 40, 40, 256
MIN_HEAD_WORDS, MIN_TAIL_WORDS = 4, 4  # of a sentence that is to be finished
MIN_HEAD_CONTENT = 3  # words of it that tell its subject
MANY_TIMES, MANY_SHARE = 4, 0.15  # a name in more sentences is what the texts are about
MIN_HEAD_CHARS, MIN_TAIL_CHARS = 6, 8  # where words have no spaces between them
Vectors = Mapping[str, Sequence[float]]


class Drafting:
    """Drafts exercises from these sentences. `language`: of the app's own words, None for that of each sentence."""

    def __init__(
        self, sentences: Sequence[Sentence], *, concept: str, language: str | None, seed: str
    ) -> None:
        self._sentences, self._language, self._seed = sentences, language, seed
        spoken = {excerpt: language_of(excerpt.text) for excerpt in {each.excerpt for each in sentences}}
        self._languages = [spoken[sentence.excerpt] for sentence in sentences]
        self._pool = terms_of([sentence.text for sentence in sentences], self._languages)
        self._rarity = rarity_of([{stem_of(term.text.lower()) for term in terms} for terms in self._pool])
        self._often = Counter(stem_of(term.text.lower()) for terms in self._pool for term in terms)
        self._wanted = {word.stem for word in read_words(concept)}

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

    def drafts(self, kind: Kind, vectors: Vectors, *, safe: bool | None = None) -> Iterator[Draft]:
        """Yield drafts of a kind that is made of one sentence, best first. The same arguments give the same drafts.

        `safe`: only those that ask for what hardly another word says and not everybody guesses; False: only the others.
        """
        chance = random.Random(f"{self._seed}{kind}")  # noqa: S311 - it only shuffles
        for sentence, terms, own in zip(self._sentences, self._pool, self._languages, strict=True):
            language = self._language or own
            if kind == "short_answer":
                yield from (self._with_subject(draft, terms) for draft in _short_answers(sentence, language))
                continue
            asked = [term for term in terms if safe is None or self._is_safe(term, kind) == safe]
            for key in self._keys(asked, CHOICE_KEYS if kind == "multiple_choice" else KEYS):
                draft = _gapped(sentence, key, language)
                if kind == "multiple_choice":
                    draft = self._choice(draft, sentence, key, vectors, chance)
                yield self._with_subject(draft, terms)

    def _keys(self, terms: Sequence[Term], most: int) -> list[Term]:
        return sorted(terms, key=lambda term: -self._worth(term))[:most]

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
        return replace(draft, subject=max(shown, key=self._worth).text) if shown else draft

    def _is_safe(self, term: Term, kind: Kind) -> bool:
        """Return whether hardly another word fits in a term's place, or is guessed.

        Mostly another word fits in a word's place, or its wrong options are not plausible. A name that the texts are
        full of is what everybody takes.
        """
        if term.kind == "word":
            return False
        times = self._often[stem_of(term.text.lower())]
        is_everywhere = times > max(MANY_TIMES, MANY_SHARE * len(self._sentences))
        return term.kind == "number" or kind == "cloze" or not is_everywhere

    def _worth(self, term: Term) -> float:
        """Return how much a term is worth asking for: a name or a number, a word that the texts repeat, a late one."""
        stem = stem_of(term.text.lower())
        return (
            {"name": 1.5, "number": 1.2, "word": 0.0}[term.kind]
            + (0.8 if term.kind == "word" and self._often[stem] > 1 else 0.0)
            + 0.1 * self._rarity.get(stem, 0.0)
            + (0.5 if stem in self._wanted else 0.0)
            + 0.05 * min(len(term.text), 10)
            + min(0.5, term.start / 200)
        )


def ordered_drafts(excerpt: Excerpt, *, language: str | None, seed: str) -> Iterator[Draft]:
    """Yield a draft for each numbered list of the excerpt. A step may go on in the lines below it."""
    chance = random.Random(seed)  # noqa: S311 - it only shuffles
    run: list[str] = []
    quoted: list[str] = []
    for line in [*excerpt.text.splitlines(), "."]:
        match = _step().match(line)
        number = int(match[1] or match[2]) if match else 0
        if match and number == len(run) + 1:
            run.append(match[3].strip())
            quoted.append(line)
            continue
        if run and not match and line[:1].isspace() and line.strip() and len(run[-1]) < MAX_STEP_CHARS:
            run[-1] += f" {line.strip()}"
            quoted.append(line)
            continue
        if MIN_STEPS <= len(run) <= MAX_STEPS and all(map(_is_step, run)):
            yield _ordered(run, quoted, excerpt, chance, language or language_of(" ".join(run)))
        run, quoted = ([match[3].strip()], [line]) if match and number == 1 else ([], [])


def _ordered(
    run: list[str], quoted: list[str], excerpt: Excerpt, chance: random.Random, language: str | None
) -> Draft:
    shown = run[:]
    while shown == run and len(set(run)) > 1:
        chance.shuffle(shown)
    return Draft(
        kind="ordered_steps",
        question=ask("order", language),
        key="\n".join(run),
        options=tuple(shown),
        quote="\n".join(quoted),
        excerpt=excerpt,
        language=language,
    )


def _is_step(text: str) -> bool:
    """Return whether a line of a numbered list is a step, and not a line of a contents list or a reference."""
    return (
        len(text.split()) >= 2
        and len(text) <= MAX_STEP_CHARS
        and not re.search(r"\.{4,}|\.\s?\.\s?\.|\d$|\(\d{4}\)", text)
        and sum(char.isalpha() for char in text) >= 0.6 * len(text)
    )


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


def _short_answers(sentence: Sentence, language: str | None) -> Iterator[Draft]:
    """Yield what is asked about a sentence: what its subject is if it defines it, else how it goes on."""
    text = sentence.text
    defined = _definition().match(text)
    if defined:
        question, key = ask("define", language, defined[1].strip()), text[defined.start(2) :]
    else:
        cut = _cut(text)
        if cut is None:
            return
        question, key = ask("finish", language, text[:cut].rstrip(" ,，")), text[cut:]
    yield Draft(
        kind="short_answer",
        question=question,
        key=key.strip().rstrip(".。"),
        quote=text,
        excerpt=sentence.excerpt,
        language=language,
    )


def _cut(text: str) -> int | None:
    """Return where a sentence is cut, None if nowhere: behind a word that opens its second part, near 0.4 of it."""
    if ngrams_in(text):
        places = [match.end() for match in re.finditer("[，：]", text)]
        fits = [n for n in places if n >= MIN_HEAD_CHARS and len(text) - n >= MIN_TAIL_CHARS]
        return _nearest(fits, text)
    openings = [each.end() for each in _opening().finditer(text)]
    if language_of(text) == "en":
        openings = [at for at in openings if _says_something(text[:at])]
    prepositions = [each.end() for each in _preposition().finditer(text)]
    if language_of(text) == "en":
        prepositions = [at for at in prepositions if has_verb(text[:at])]
    for places in (openings, prepositions):
        fits = [at for at in places if _halves(text, at)]
        if fits:
            return _nearest(fits, text)
    return None


def _says_something(head: str) -> bool:
    """Return whether a verb stands before a "by" or "while" that ends the head of an English sentence."""
    return not head.endswith((" by", " while")) or _auxiliary().search(head) is not None


def _halves(text: str, at: int) -> bool:
    """Return whether both parts say something, and no bracket or quotation is open between them."""
    head, tail = text[:at], text[at:]
    is_paired = head.split()[-2:-1] in (["either"], ["both"], ["neither"])  # "either when or after"
    long_enough = len(head.split()) >= MIN_HEAD_WORDS and len(tail.split()) >= MIN_TAIL_WORDS
    is_closed = (
        all(head.count(a) == head.count(b) for a, b in ("()", "“”", "«»")) and head.count('"') % 2 == 0
    )
    return long_enough and is_closed and not is_paired and len(content_words(head)) >= MIN_HEAD_CONTENT


def _nearest(places: Sequence[int], text: str) -> int | None:
    return min(places, key=lambda n: abs(n - 0.4 * len(text)), default=None)


@cache
def _opening() -> re.Pattern[str]:
    """Match words behind which the second part of a sentence begins: verbs of being, reasons, purposes, conditions."""
    return re.compile(
        r"(?<=\s)(?:is|are|was|were|has been|have been|because|so that|in order to|by|when|if|while|whereas|"
        r"(?<!of )(?<!in )(?<!to )(?<!for )(?<!with )(?<!from )(?<!by )(?:that|which)|"
        r"means|requires?|allows?|consists? of|includes?|led to|leads? to|causes?|caused|such as|due to|"
        r"ist|sind|war|waren|wurde|wurden|weil|damit|sodass|indem|wenn|während|dass|um|durch|besteht aus|führt zu|"
        r"est|sont|était|étaient|parce que|afin de|pour que|lorsque|es|son|fue|fueron|porque|para que|cuando|"
        r"является|являются|был|была|были|потому что|чтобы|если|когда|что|которые|который|которая)(?=\s)"
    )


@cache
def _auxiliary() -> re.Pattern[str]:
    return re.compile(
        r"\b(?:is|are|was|were|been?|has|have|had|can|could|may|might|must|will|would|should|do|does|did)\b"
    )


@cache
def _preposition() -> re.Pattern[str]:
    return re.compile(
        r"(?<=\s)(?:with|after|before|from|between|within|into|to|for|during|mit|nach|vor|aus|zwischen|für|von|zu|avec|"
        r"pour|dans|con|para|de|с|для|из|от|при|после)(?=\s)"
    )


@cache
def _definition() -> re.Pattern[str]:
    """Match a sentence that says what something is: group 1 is what, group 2 begins what is said."""
    return re.compile(
        r"(?:An? |Une? |Una? |Eine? )((?:[^\W\d_][\w-]*\s){1,4}?)"
        r"(?:is|ist|est|es) ((?:an?|the|one|eine?|une?|una?)\s(?:\S+\s){4})"
    )


@cache
def _step() -> re.Pattern[str]:
    return re.compile(
        r"^\s*(?:\(?(\d{1,2})[.)]|(?:step|schritt|étape|paso|шаг) (\d{1,2})[.:])\s+(\S.*)$", re.IGNORECASE
    )
