"""Finds sentences that their quotes merely accompany: a plain rule, without a model.

A sentence strays from its quotes when they have too few of its words, when it names somebody they do not name, or when
it denies and they do not. What was measured stands in docs/chat.md. A sentence that keeps to the words of its quotes
and says something else with them is not found.
"""

import re
from collections.abc import Iterable, Sequence

from chalicelib.model.chat.questions import content_words, words_of
from chalicelib.model.search.folding import DENIALS
from chalicelib.model.search.language import language_of

# Of 1,208 claims that experts found supported, 2.6% share less than this with their evidence (bench.grounding).
LEAST_SHARE = 0.2
_LEAST_WORDS = 3  # a shorter sentence ("Yes, it is.") has too few words to tell
_STEM_CHARS = 6
_NAME = re.compile(r"(?<=[^\W\d_A-Z,;] |[,;] )[A-Z][\w-]{2,}")
_APOSTROPHE = re.compile("['’]")
_NOUNS_ARE_CAPITALISED = "de"


def strays(sentence: str, quotes: Sequence[str], *, known: Iterable[str] = ()) -> bool:
    """Return whether the quotes do not bear the sentence out. `known` texts may name what the sentence names.

    A sentence in another language than its quotes cannot be compared.
    """
    quoted = "\n".join(quotes)
    language = language_of(sentence)
    if None not in (language, language_of(quoted)) and language != language_of(quoted):
        return False
    if len(content_words(sentence)) >= _LEAST_WORDS and share_of_words(sentence, quoted) < LEAST_SHARE:
        return True
    if _denies(sentence) and not _denies(quoted):
        return True
    return language != _NOUNS_ARE_CAPITALISED and _names_more(sentence, [quoted, *known])


def share_of_words(sentence: str, quoted: str) -> float:
    """Return the share of the sentence's content words that the quoted text has; 1 if it has none."""
    wanted = _stems(content_words(sentence))
    return len(wanted & _stems(words_of(quoted))) / len(wanted) if wanted else 1.0


def _denies(text: str) -> bool:
    return any(word in DENIALS for word in words_of(text)) or "n't" in text.replace("’", "'")


def _names_more(sentence: str, texts: Iterable[str]) -> bool:
    known = _stems(word for text in texts for word in words_of(text))
    return any(not _stems(words_of(name)) <= known for name in _NAME.findall(sentence))


def _stems(words: Iterable[str]) -> set[str]:
    """Return the stems of the words; of "Orion's" and "l'eau" those of both parts."""
    parts = (part for word in words for part in _APOSTROPHE.split(word) if part)
    return {part[:_STEM_CHARS].rstrip("s") for part in parts}
