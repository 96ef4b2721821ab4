"""Drafts short answers: asks what a sentence says that something is, why it is so, or how the sentence goes on."""

import re
from collections.abc import Iterator
from functools import cache

from chalicelib.model.chat.questions import content_words
from chalicelib.model.practice.asking import Phrase, ask
from chalicelib.model.practice.exercises import Draft
from chalicelib.model.practice.self_contained import has_verb
from chalicelib.model.practice.sentence_choice import Sentence
from chalicelib.model.practice.terms import is_function_word
from chalicelib.model.search.language import language_of
from chalicelib.model.search.lexical import ngrams_in

MIN_HEAD_WORDS, MIN_TAIL_WORDS = 4, 4  # of a sentence that is to be finished
MIN_HEAD_CONTENT = 3  # words of it that tell its subject
MAX_SUBJECT_WORDS = 8  # of what is asked for by its name
MIN_HEAD_CHARS, MIN_TAIL_CHARS = 6, 8  # where words have no spaces between them
EASY_TAIL_WORDS = 14  # a longer answer is worth less
# How well a sentence is asked about by each cut. A loose one mostly cuts within a phrase.
IDENTITY, REASON, COPULA, CLAUSE, LOOSE = 2.0, 1.5, 0.8, 0.3, -1.0


def short_answer(sentence: Sentence, language: str | None) -> tuple[float, Draft] | None:
    """Return what is best asked about a sentence, and how well it is asked; None if it cannot be cut."""
    text = sentence.text
    cuts = _cuts(sentence)
    best = max(cuts, key=lambda cut: (cut[0], -abs(len(cut[2]) - 0.4 * len(text))), default=None)
    if best is None:
        return None
    worth, phrase, head, tail = best
    draft = Draft(
        kind="short_answer",
        question=ask(phrase, language, head.rstrip(" ,，")),
        key=tail.strip().rstrip(".。"),
        quote=text,
        excerpt=sentence.excerpt,
        language=language,
    )
    return worth - 0.1 * max(0, len(tail.split()) - EASY_TAIL_WORDS), draft


def _cuts(sentence: Sentence) -> Iterator[tuple[float, Phrase, str, str]]:
    """Yield the ways to cut a sentence: how well it is asked then, the question, and the two parts."""
    text = sentence.text
    if ngrams_in(text):
        for match in re.finditer("[，：]", text):
            if match.end() >= MIN_HEAD_CHARS and len(text) - match.end() >= MIN_TAIL_CHARS:
                yield CLAUSE, "finish", text[: match.end()], text[match.end() :]
        return
    defined = _definition().match(text)
    if defined:
        yield IDENTITY, "define", defined[1].strip(), text[defined.start(2) :]
    language = language_of(text) or "en"
    known = _identity(language).match(text)
    if known and _is_subject(known[1], sentence):
        yield IDENTITY, "identify", known[1].strip(), text[known.start(2) :]
    for kind, worth in (("reason", REASON), ("copula", COPULA), ("clause", CLAUSE), ("loose", LOOSE)):
        for opening in _openings(kind, language).finditer(text):
            head = text[: opening.start() if kind == "reason" else opening.end()]
            if worth == COPULA and head.split()[0] in _SUBORDINATE:
                continue
            says = language != "en" or kind == "copula" or has_verb(text[: opening.start()])
            if says and _halves(head, text[opening.end() :]):
                yield worth, "why" if kind == "reason" else "finish", head, text[opening.end() :]


def _is_subject(words: str, sentence: Sentence) -> bool:
    """Return whether what stands in front of a verb of being is a subject, and not an adverbial or a clause.

    In German a single word is a noun if it has its capital within a sentence too.
    """
    first, *rest = words.lower().split()
    if len(rest) >= MAX_SUBJECT_WORDS:
        return False
    if first in _ARTICLES:
        return len(rest) > 0
    if not rest and language_of(sentence.excerpt.text) == "de":
        return re.search(rf"[a-zäöüß,] {re.escape(words)}\b", sentence.excerpt.text) is not None
    return not is_function_word(first) and first not in _PLACES and not first.endswith("ly")


def _halves(head: str, tail: str) -> bool:
    """Return whether both parts say something, and no bracket or quotation is open between them."""
    is_paired = head.split()[-2:-1] in (["either"], ["both"], ["neither"])  # "either when or after"
    long_enough = len(head.split()) >= MIN_HEAD_WORDS and len(tail.split()) >= MIN_TAIL_WORDS
    is_closed = (
        all(head.count(a) == head.count(b) for a, b in ("()", "“”", "«»", "„“")) and head.count('"') % 2 == 0
    )
    return long_enough and is_closed and not is_paired and len(content_words(head)) >= MIN_HEAD_CONTENT


# Words behind which a reason begins, what a subject is or does, what happened or was said, the rest.
_OPENINGS = {
    "reason": {
        "en": r"because(?! of)|so that|in order(?= to )",
        "de": "weil|sodass",
        "fr": "parce que|afin que",
        "es": "porque|para que",
        "ru": "потому что|поскольку|так как",
    },
    "copula": {
        "en": r"(?<!that )(?<!who )(?<!\ba )(?<!\bby )(?:is|are|was|were|means|requires?|allows?|consists? of|"
        "includes?|led to|leads? to|causes?|caused|results? in|depends? on|refers? to|contributes? to|provides?|"
        "promotes|inhibits|regulates|mediates|induces|contains?|represents|prevents|enables?|enhances|encodes)",
        "de": "ist|sind|war|waren|besteht aus|führt zu|führte zu",
        "fr": "est|sont|était|étaient",
        "es": "es|son|fue|fueron",
        "ru": "является|являются|состоит из|означает",
    },
    "clause": {
        "en": "has been|have been|due to",
        "de": "dass",
        "fr": "a été|ont été",
        "es": "ha sido|han sido",
        "ru": "был|была|были|что",
    },
    "loose": {
        "en": r"by|when|if|while|whereas|such as|"
        r"(?<!of )(?<!in )(?<!to )(?<!for )(?<!with )(?<!from )(?<!by )(?:that|which)|"
        "with|after|before|from|between|within|into|to|for|during",
        "de": "wurde|wurden|damit|indem|wenn|während|um|durch|mit|nach|vor|aus|zwischen|für|von|zu",
        "fr": "afin de|pour que|lorsque|avec|pour|dans|de",
        "es": "cuando|con|para|de",
        "ru": "чтобы|если|когда|которые|который|которая|с|для|из|от|при|после",
    },
}
_BEING = {
    "en": r"(?:is|are|was|were) (?=(?:an?|the|one)\s)",
    "de": r"(?:ist|sind|war|waren) (?=(?:eine?|der|die|das)\s)",
    "fr": r"(?:est|sont|était|étaient) (?=(?:une?|les?|la)\s)",
    "es": r"(?:es|son|fue|era) (?=(?:una?|el|los|las?)\s)",
    "ru": "[—–] это ",
}
_SUBORDINATE_WORDS = """
    Since Because If When While Although Though As Whereas Unless Wenn Weil Während Если Когда
"""
_SUBORDINATE = frozenset(_SUBORDINATE_WORDS.split())
_PLACES = frozenset(("north", "south", "east", "west", "near", "next", "close", "home", "part", "located"))
_ARTICLES_WORDS = """
    the a an der die das ein eine le la les un une el los las una
"""
_ARTICLES = frozenset(_ARTICLES_WORDS.split())


@cache
def _openings(kind: str, language: str) -> re.Pattern[str]:
    """Match the words of a language behind which the second part of a sentence begins."""
    words = _OPENINGS[kind].get(language, "(?!)")
    return re.compile(rf",?\s(?:{words})(?=\s)" if kind == "reason" else rf"(?<=\s)(?:{words})(?=\s)")


@cache
def _identity(language: str) -> re.Pattern[str]:
    """Match a subject, a verb of being, and what it is, begun by an article where the language has them."""
    verbs = _BEING.get(language, "(?!)")
    return re.compile(rf"([^,;:()\[\]]{{3,80}}?)\s{verbs}((?:\S+\s){{4}})")


@cache
def _definition() -> re.Pattern[str]:
    """Match a sentence that says what something is: group 1 is what, group 2 begins what is said."""
    return re.compile(
        r"(?:An? |Une? |Una? |Eine? )((?:[^\W\d_][\w-]*\s){1,4}?)"
        r"(?:is|ist|est|es) ((?:an?|the|one|eine?|une?|una?)\s(?:\S+\s){4})"
    )
