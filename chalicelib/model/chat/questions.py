"""Reads questions: finds their words, and completes a question that depends on the one before."""

import re
from collections.abc import Sequence

from chalicelib.model.search.lexical import with_ngrams

MAX_SEARCHED_CHARS = 2_000
MAX_CARRIED_WORDS = 12
_WORD = re.compile(r"\w++(?:['’]\w++)?")
# Words that do not tell a question's subject: function words, and words that questions are made of.
_EMPTY_WORDS = """
a an the of and or but to in on at by for from with without about as is are was were be been being am do does did done
have has had having can could may might shall should will would must not no nor so if then than too very just also only
i you he she it we they me him her us them my your his its our their mine yours this that these those there here
what which who whom whose when where why how much many more most some any all both each other another such same own
often tell show give find say says said explain describe list please know mean means there's what's who's it's
isn't don't
der das den dem des ein eine einen einem einer und oder aber ist sind war waren wird werden hat haben nicht kein
mit von zu zum zur bei für auf im am aus nach über wie wer wo wann warum welche welcher welches er sie es
le la les un une des du de et ou mais est sont était dans avec sans que qui quoi où quand comment pourquoi
ce cette ces il elle ils elles el los las una unos unas y o pero es en por para quien donde cuando
como esto esta este eso esa ese lo gli di della e è sono nel che quando questo questa
"""
# Words that point to something named before (_LEANING_WORDS), or continue a sentence (_GOING_ON_WORDS).
_LEANING_WORDS = """
it its it's they them their theirs he him his she her hers this that these those one ones former latter same
es sie er ihn ihm ihr ihre sein seine dies diese dieser dieses das dort dazu davon damit
il elle ils elles lui leur leurs ce cela ça celui celle y en
ello ella ellos ellas él eso esa ese esto este su sus allí
"""
_GOING_ON_WORDS = "and but or so then also und aber oder et mais y pero e ma"
EMPTY, _LEANING = frozenset(_EMPTY_WORDS.split()), frozenset(_LEANING_WORDS.split())
_GOING_ON = frozenset(_GOING_ON_WORDS.split())
_ABOUT = re.compile(r"(?:what|how)\s+about\b", re.IGNORECASE)
_SHORT = 6  # content words; a question with more of them names its subject itself


def words_of(text: str) -> list[str]:
    """Return the text's words in lower case, in order. Those written without spaces become n-grams."""
    return [word.lower() for word in _WORD.findall(with_ngrams(text))]


def content_words(text: str) -> list[str]:
    """Return the words that tell the text's subject, in order, each once."""
    return list(dict.fromkeys(word for word in words_of(text) if word not in EMPTY))


def leans_on_history(question: str) -> bool:
    """Return whether the question needs the one before: "And in winter?", "How much does it cost?", "Why?"."""
    words, content = words_of(question), content_words(question)
    if not content:
        return True
    points_back = words[0] in _GOING_ON or _ABOUT.match(question.strip()) or _LEANING & set(words)
    return bool(points_back) and len(content) <= _SHORT


def stand_alone(question: str, before: Sequence[str]) -> str:
    """Return the text to search for: the question, completed with content words of the last one if it needs them.

    `before` are the earlier questions, as they were searched for.
    """
    if before and leans_on_history(question):
        known = set(words_of(question))
        carried = [word for word in content_words(before[-1]) if word not in known][:MAX_CARRIED_WORDS]
        question = " ".join([question, *carried])
    return question[:MAX_SEARCHED_CHARS]
