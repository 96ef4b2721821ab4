"""Tells how clear a sentence is to whoever sees it without its page."""

import re
from collections.abc import Sequence
from functools import cache

from chalicelib.model.ingest.sentences import SPACED_MARKS, UNSPACED_MARKS
from chalicelib.model.practice.self_contained import OPENERS
from chalicelib.model.practice.terms import is_function_word
from chalicelib.model.practice.wording import stem_of

# What the first sentence of a page and one with a name gain.
FIRST, NAMED, NAMED_EARLY = 1.0, 0.6, 0.6
# What is lost for a subject, and for another thing, that the page has named before; for "the" and a noun without words
# that tell which one, as a subject and elsewhere; for one of many that is not named.
RESUMED, RETURNING, BARE_SUBJECT, BARE, SOME_ONE = 1.5, 0.9, 1.0, 0.4, 1.2
# What is lost for words that compare, for "we" and "you", for steps of a study, and for a sentence that bids.
RELATIVE, SPEAKER, PROCEDURE, BIDDING = 0.7, 1.2, 1.5, 1.2
# What is lost for each number too many and each abbreviation, for brackets and the like, for a letter that names a
# quantity, and for two sentences in one.
CROWDED, BROKEN, LONE, JOINED = 0.3, 0.5, 1.0, 1.5
EARLY_WORDS, MAX_NUMBERS, MAX_TITLE_WORDS = 6, 2, 12
# Words that compare with, or add to, what was said before.
_RELATIVE_WORDS = """
    also however too similar similarly other others another further additional respectively respective likewise instead
    same recent recently today now currently still again therefore thus furthermore moreover else latter former
    next previous previously example instance later earlier meanwhile though subsequent subsequently
    auch jedoch ebenfalls weitere weiteren weiterer andere anderen anderer anderes dagegen stattdessen heute derzeit
    bereits zudem später früher somit deshalb dabei
    aussi également autre autres ainsi cependant aujourd también otro otra otros otras además hoy
    также однако другие других другой другая тоже ещё еще поэтому сегодня сейчас позже ранее затем
"""
_RELATIVE = frozenset(_RELATIVE_WORDS.split())
_SPEAKER_WORDS = """
    we our us ours i my me you your yours wir unser unsere unseren uns ich du ihr sie nous notre nos je vous votre
    мы наш наша наши нас нам я вы ваш ваши nosotros nuestro nuestra
"""
_SPEAKER = frozenset(_SPEAKER_WORDS.split()) - {"ihr", "sie"}
_ENDS = tuple(SPACED_MARKS + UNSPACED_MARKS)


def clarity(sentence: str, before: str, language: str | None) -> float:
    """Return how clear a sentence is. `before` is the text in front of it on its page, on one line."""
    words = re.findall(r"[^\W\d_]+(?:-[^\W\d_]+)*", sentence)
    small = [word.lower() for word in words]
    named = _names(words, language)
    numbers = len(re.findall(r"\d+(?:[.,]\d+)*", sentence))
    return (
        FIRST * _opens(before)
        + NAMED * bool(named)
        + NAMED_EARLY * any(n < EARLY_WORDS for n in named)
        - _returning(sentence, before)
        - RELATIVE * sum(word in _RELATIVE for word in small)
        - SPEAKER * any(word in _SPEAKER for word in small)
        - CROWDED * max(0, numbers - MAX_NUMBERS)
        - CROWDED * sum(word.isupper() and len(word) > 1 for word in words)
        - PROCEDURE * bool(_procedure().search(sentence))
        - BIDDING * _bids(sentence)
        - LONE * len(lone_letter().findall(sentence))
        - SOME_ONE * bool(_some_one().search(sentence))
        - JOINED * bool(_joined().search(sentence))
        - BROKEN * len(_break().findall(sentence))
    )


def _names(words: Sequence[str], language: str | None) -> list[int]:
    """Return where names stand. In German, where nouns have a capital, two words with one side by side are a name."""
    capitals = [n for n, word in enumerate(words) if n and word[0].isupper() and not word.isupper()]
    return [n for n in capitals if n - 1 in capitals] if language == "de" else capitals


def _bids(sentence: str) -> bool:
    """Return whether an English sentence bids the reader to do something, or has a label in front."""
    opening = re.match(r"([A-Z][a-z]+)(:| (?:an?|the|your|about|how|sure|to)\b)", sentence)
    return opening is not None and not is_function_word(opening[1])


def _opens(before: str) -> bool:
    """Return whether a sentence is the first of its page, but for a title."""
    return len(before.split()) <= MAX_TITLE_WORDS and not before.rstrip().endswith(_ENDS)


def _returning(sentence: str, before: str) -> float:
    """Return what a sentence loses for things that it has in common with the text before it.

    A thing is a noun with a definite article, or the first word, without words behind it that tell which one it is.
    """
    said = {stem_of(word) for word in re.findall(r"(?<![^\W\d_])[^\W\d_]{3,}", before.lower())}
    things = [(each.start(), each[1] or each[2]) for each in _definite().finditer(sentence)]
    first = re.match(r"[^\W\d_]+", sentence)
    if first and first[0] not in OPENERS and len(first[0]) > 3 and first[0].lower() in before:
        things.append((0, first[0]))
    returning = [at for at, thing in things if stem_of(thing.split()[-1].lower()) in said]
    bare = sum(BARE_SUBJECT if at == 0 else BARE for at, _ in things)
    return bare + RESUMED * any(at == 0 for at in returning) + RETURNING * sum(at > 0 for at in returning)


@cache
def _definite() -> re.Pattern[str]:
    """Match a definite article and a noun, English or German, that nothing follows to tell which one."""
    return re.compile(
        r"\b[Tt]he ((?:[a-z-]+ ){0,2}?[a-z-]{3,})(?=[,.;:)]| (?:is|are|was|were|has|have|had|can|could|will|would|may|"
        r"might|must|and|or|by|as|also|then|because|when|while|after|before|[a-z]+ed)\b)|"
        r"\b(?:[Dd]er|[Dd]ie|[Dd]as|[Dd]en|[Dd]em|[Dd]es) ((?:[a-zäöüß]+ ){0,2}?[A-ZÄÖÜ][a-zäöüß]{3,})"
        r"(?= (?!der|des|von|in|im|für|zu|zur|zum)[a-zäöüß]+\b|[,.;:)])"
    )


@cache
def lone_letter() -> re.Pattern[str]:
    """Match a letter that stands alone as the name of a quantity, and is no word of a language."""
    return re.compile(r"(?<![\w.'’-])(?![aeioyAIOаеиоуявскВСКИОУАЯ])[^\W\d_](?![\w.'’-])")


@cache
def _procedure() -> re.Pattern[str]:
    """Match how English abstracts tell what was done."""
    return re.compile(
        r"\b(?:stud(?:y|ies)|trials?|review|survey|aims?|mean|median|participants?|randomi[sz]ation)\b|"
        r"^To [a-z]+ |^A total of |"
        r"\b(?:participated|enrolled)\b|"
        r"\b(?:the|all|our|\d+) (?:[a-z]+ )?(?:patients|subjects|children|women|men|mice|rats|samples)\b|"
        r"\b(?:was|were) (?:then |also )?(?:performed|conducted|examined|"
        r"investigated|analy[sz]ed|measured|included|assessed|evaluated|studied|used|carried|compared|collected|"
        r"recruited|randomi[sz]ed|randomly|obtained|enrolled|treated|identified|searched|reviewed|selected|asked|invited|determined|calculated|estimated|defined|administered|given)\b"
    )


@cache
def _some_one() -> re.Pattern[str]:
    """Match one of many groups, works, places or laws that is not named."""
    return re.compile(
        r"\b[Tt]he (?:group|company|organi[sz]ation|party|team|club|firm|agency|council|committee|board|band|network|"
        r"show|series|film|book|novel|song|album|episode|game|city|town|village|district|region|area|neighborhood|university|"
        r"school|college|campus|building|bridge|law|act|bill|treaty|agreement|report|project|program(?:me)?|role)\b"
        r"(?! (?:of|for|in|that|which|[A-Z]))|"
        r"\b(?:[Dd]ie|[Dd]er|[Dd]as) (?:Gruppe|Firma|Unternehmen|Organisation|Partei|Mannschaft|Team|Verein|Serie|Film|"
        r"Buch|Sender|Stadt|Bezirk|Region|Gebiet|Universität|Schule|Gebäude|Gesetz|Vertrag|Abkommen|Projekt|Programm)\b"
        r"(?! (?:der|des|von|vom|für|in|im|zur?|zum|[A-ZÄÖÜ„]))|"
        r"\b(?:[Гг]руппа|[Кк]омпания|[Оо]рганизация|[Пп]артия|[Кк]оманда|[Сс]ериал|[Фф]ильм|[Кк]нига|[Гг]ород|[Рр]айон|"
        r"[Оо]бласть|[Уу]ниверситет|[Шш]кола|[Зз]дание|[Зз]акон|[Дд]оговор|[Пп]роект|[Пп]рограмма|[Ии]сследование|[Аа]вторы)"
        r"(?= [а-яё]|[,.])"
    )


@cache
def _joined() -> re.Pattern[str]:
    """Match a word that has a capital only at the beginning of a sentence, within one."""
    return re.compile(r"(?<=[a-z] )(?:As|If|When|This|These|It|At|On|With|Every|Each|You|We|There)\b")


@cache
def _break() -> re.Pattern[str]:
    """Match what breaks a sentence up: brackets, dashes, semicolons, slashes, signs."""
    return re.compile(r"[(\[]| [-–—] |[—;:/&+±<>]|“|\"")
