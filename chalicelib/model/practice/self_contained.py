"""Tells whether a sentence is self-contained, or points to what is not shown beside it.

Words and forms are those of English, German, French, Spanish, Russian, Chinese and Japanese.
"""

import re
from functools import cache

from chalicelib.model.chat.questions import EMPTY

DOUBTFUL, VERBLESS, UNCLEAR = 3.0, 3.0, 1.3  # what it, no verb, and each pronoun cost
# Words that point to another sentence. In front of a sentence, all do; the second group within it too.
_LEANS_IN_FRONT_WORDS = """
    it they he she his her their its there here however therefore thus hence moreover furthermore also instead
    conversely think still otherwise nevertheless nonetheless meanwhile similarly likewise consequently accordingly
    additionally finally secondly thirdly then so but and or yet because while another others both neither either
    again later subsequent subsequently previous previously similar additional
    one each many most some all other which who maybe es er sie sein seine ihr ihre ihren jedoch
    dabei dadurch außerdem dazu deshalb daher damit dann doch aber auch trotzdem dennoch allerdings stattdessen so somit
    hierbei hier dort danach davon darin dafür daraus darüber eine einer andere anderer manche einige beide
    dessen deren il elle ils elles son sa ses leur leurs cependant ainsi donc mais aussi ensuite puis él ella
    ellos ellas su sus sin además también pero entonces luego он она они оно его её их однако поэтому также
    кроме затем потом но и а там тогда здесь таким другие другой первый второй
"""
LEANS_IN_FRONT = frozenset(_LEANS_IN_FRONT_WORDS.split())
_POINTS_ELSEWHERE_WORDS = """
    this these that's those such former latter aforementioned above following below herein dies diese dieser
    dieses diesen diesem solche solcher solches jene jenem jenen jener jenes dieselbe obige folgende folgenden
    ce cet cette
    ces cela ceci celui celle este esta estos estas ese esa esos esas aquel aquella esto eso этот эта это эти
    этого этой этих этому этим такой такая такие таких данный данная данное данном данные
"""
POINTS_ELSEWHERE = frozenset(_POINTS_ELSEWHERE_WORDS.split())
_OPENER_WORDS = """
    The A An This These In On At It When If As For From With Every Each Der Die Das Ein Eine Im Bei Wenn Les Une
"""
OPENERS = frozenset(_OPENER_WORDS.split())
_UNCLEAR_WORDS = """
    it they he she him his her hers their them its here darauf daran dabei dazu davon
    er sie ihr ihm ihn ihnen ihre ihrer ihren ihrem ihres seine seiner seinen seinem seines il elle leur leurs
    они он она его её ее их им ему ей них ним него неё нее ней нем нём
"""
_UNCLEAR = frozenset(_UNCLEAR_WORDS.split())
_PERSONS = frozenset({"he", "she", "him", "his", "her", "hers"})
_POINTS_UNSPACED_WORDS = """
    这 该 此 它 他 她 其 但 因此 然而 另 除此 而 これ それ この その
"""
_POINTS_UNSPACED = tuple(_POINTS_UNSPACED_WORDS.split())


def points_elsewhere(sentence: str) -> bool:
    """Return whether a sentence begins with a word that points to one that is not shown."""
    words = re.findall(r"[^\W\d_]+", sentence.lower())
    if not words or sentence.startswith(_POINTS_UNSPACED):
        return True
    introduced = re.match(r"[^,]{1,60},\s*([^\W\d_]+)", sentence.lower())
    return (
        words[0] in LEANS_IN_FRONT
        or words[0] in POINTS_ELSEWHERE
        or bool(introduced and introduced[1] in _UNCLEAR | POINTS_ELSEWHERE)
        or bool(_connective().match(sentence))
    )


def has_verb(sentence: str) -> bool:
    """Return whether an English text has a verb, as far as its form or its object tells."""
    return _verb().search(sentence) is not None


def dependence(sentence: str, language: str | None) -> float:
    """Return what a sentence of this language loses because it may not be understood alone."""
    words = re.findall(r"[^\W\d_]+", sentence.lower())
    has_none = language == "en" and not has_verb(_bracketed().sub("", sentence))
    return (
        DOUBTFUL * _is_doubtful(sentence)
        + VERBLESS * has_none
        + UNCLEAR * sum(word in _UNCLEAR for word in words)
    )


def _is_doubtful(sentence: str) -> bool:
    """Return whether a sentence may be a part of a list, or points to another sentence."""
    loose = re.findall(r"[^\W\d_]+", _anchored().sub("", sentence.lower()))
    points = any(word in POINTS_ELSEWHERE for word in loose) or any(
        word in sentence for word in _POINTS_UNSPACED[:3]
    )
    return points or bool(_bare().match(sentence)) or _names_nobody(sentence)


def _names_nobody(sentence: str) -> bool:
    """Return whether an English sentence has "he" or "her" and, before that, no name of a person that it may be."""
    words = re.findall(r"[^\W\d_]+", sentence)
    at = next((n for n, word in enumerate(words) if word.lower() in _PERSONS), len(words))
    return at < len(words) and not any(
        word[0].isupper() and word not in OPENERS and word.lower() not in EMPTY for word in words[:at]
    )


@cache
def _anchored() -> re.Pattern[str]:
    """Match words of POINTS_ELSEWHERE with what they point to."""
    return re.compile(r"\b(?:such as|those (?:who|that|of|with|in|which|from)|following (?:the|an?))\b")


@cache
def _bracketed() -> re.Pattern[str]:
    return re.compile(r"\([^()]*\)")


@cache
def _bare() -> re.Pattern[str]:
    """Match "the" and one word before its verb, which was said before, and a part of a list ("Encouraging ...")."""
    return re.compile(
        r"The [a-z]+ (?:is|are|was|were|has|have|had|can|could|will|would|may|might|must|also|then|[a-z]+ed)\b|"
        r"[A-Z][a-z]+ing (?!.*(?:\b(?:is|are|was|were|has|have|can|may|must|will)\b|,))|"
        r"(?:Der|Die|Das) [A-ZÄÖÜ][a-zäöüß]+ (?:ist|sind|war|waren|hat|hatte|haben|wird|wurde|wurden|kann|muss)\b"
    )


@cache
def _connective() -> re.Pattern[str]:
    return re.compile(
        r"(?:In (?:it|them|contrast|addition|fact|particular|this|that|such|other|these|turn|short)|On the other|"
        r"For (?:example|instance|this)|As (?:a result|such|a consequence|shown|mentioned|above|before|well)|That is|"
        r"At (?:this|that)|One (?:of|such|can)|Some of|Most of|By (?:contrast|this)|To (?:do|this)|After (?:this|that)|"
        r"In der Nähe|In the (?:vicinity|same)|Nearby|Elsewhere|"
        r"Das(?:,| (?:ist|sind|war|waren|hat|hatte|haben|wird|wurde|führt|führte|bedeutet|kann|konnte|gilt|liegt))|"
        r"Die (?:Studie|Untersuchung|Autoren|Ergebnisse)|Der Bericht|"
        r"Having done|The (?:study|authors?|researchers|paper|report|latter|former|same|others?)|"
        r"(?:First|Second|Third|Next|Last|Of course|Indeed)(?=,)|Zum Beispiel|Im Gegensatz|Darüber hinaus|Aus diesem|"
        r"That|In diese[rnm]|Auf diese|Zu diese[rnm]|Nach diese[rnm]|Par exemple|Por ejemplo|"
        r"Кроме того|В этом|Таким образом|В то же|С другой|В результате|При этом|Например|В отличие|Тем временем|"
        r"Тем не менее|Более того|Вместе с тем|Наконец)\b"
    )


@cache
def _verb() -> re.Pattern[str]:
    """Match what an English sentence has and a title mostly lacks: a verb, told by itself or by its object."""
    return re.compile(
        r"\b(?:is|are|was|were|been?|has|have|had|do|does|did|can|could|may|might|must|will|would|shall|should)\b|"
        r"(?<![\w-])[a-z]{3,}ed\b|\b[a-z]{3,}s (?:out|up|down|off|away|together|more|less)\b|"
        r"\b(?!of|in|on|at|by|for|from|with|and|or|to|as|into|over|under|inside|within|between|through|per|via|than|like|"
        r"about|after|before|during|that|which|both|all)[a-z]+ (?:the|an?|its|their|that)\b"
    )
