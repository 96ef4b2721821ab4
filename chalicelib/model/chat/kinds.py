"""Tells the kind of answer that a question asks for, and whether a sentence has something of that kind.

It knows question words of English, German, French, Spanish and Italian. A question in another language has no kind, and
then nothing is expected of its answer.
"""

import re
from collections.abc import Sequence
from functools import cache
from typing import Literal

from chalicelib.model.chat.questions import content_words, words_of

Kind = Literal[
    "total", "amount", "count", "date", "person", "place", "reason", "definition", "list", "contents"
]
# The first pattern that a question has tells its kind.
_ASKED: dict[Kind, str] = {
    "contents": r"""\bwhat(?:['’]s|\s+is|\s+does)?\s+(?:in|inside|on)\s+(?:the|this|that|my)\b
        | ^what(?:['’]s|\s+is)\s+in\b
        | \bwhat\b.*\babout\s*\?*$ | \bwhat\s+does\b.*\b(?:contain|cover|say)\s*\?*$
        | \bsummar(?:y|i[sz]e)\b | \boverview\b
        | \bwas\s+(?:steht|ist|enthält|gibt\s+es)\s+(?:in|im|auf|alles)\b | \bwas\s+enthält\b
        | \bworum\s+(?:geht|handelt)\b | \bwovon\s+handelt\b | \bzusammenfass | \bfasse\b
        | \bde\s+quoi\s+(?:parle|s['’]agit) | \bde\s+qué\s+trata\b""",
    "total": r"""\b(?:come|comes|came|add|adds|amount|amounts)\s+(?:up\s+)?to\s*\?*$
        | \b(?:total|altogether|amount\s+due)\b | \binsgesamt\b | \bgesamt\w*\b | \bsumme\b
        | \b(?:bill|invoice|receipt|order|facture|factura|fattura)\b.*\b(?:for|cost|pay|much)\b
        | \bhow\s+(?:much|high|large)\b.*\b(?:bill|invoice|receipt|owe|due)\b
        | \b(?:wie\s+hoch|wie\s*viel|was|welche[rnm]?)\b.*\b(?:rechnung|quittung|betrag)\b""",
    "amount": r"""\bhow\s+(?:much|expensive|high|large|big|heavy|tall|deep|wide|far|fast|hot|cold|long|old)\b
        | \bwhat\b.*\b(?:costs?|price|fee|sum|amount|rent|salary|budget|limit|percentage|share|rate|revenue|profit
        |income|pay|paid|weigh|temperature|population|distance|height|length|width|size)\b
        | \bwie\s*viel\b | \bwie\s+(?:teuer|hoch|groß|schwer|lang|lange|weit|tief|alt|schnell|warm|kalt)\b
        | \b(?:was|wieviel|welche[rs]?|welchen)\b.*\b(?:kostet|kosten|preis|höhe|gebühr|anteil|umsatz|gewinn)\b
        | \bcombien\b | \bcuánt[oa]\b | \bquanto\b""",
    "count": r"""\bhow\s+many\b | \bwhat\s+number\b | \bwie\s*vielen?\b | \bcuánt[oa]s\b | \bquant[ie]\b""",
    "date": r"""\bwhen\b | \bwann\b | \bquand\b | \bcuándo\b | \bquando\b | \bsince\s+when\b
        | \b(?:what|which)\s+(?:year|date|day|month|century|decade|time|season)\b
        | \bwelche[rsmn]?\s+(?:jahr|tag|datum|monat|jahrhundert|jahreszeit|uhrzeit)\b
        | \bquelle\s+(?:année|date)\b | \bqué\s+(?:año|fecha)\b""",
    "reason": r"""\bwhy\b | \bwhat\b.*\b(?:reason|caused?|causes)\b | \bhow\s+come\b
        | \b(?:warum|wieso|weshalb|weswegen|pourquoi)\b | \bpor\s+qué\b | \bperché\b""",
    "person": r"""\b(?:who|whom|whose|wer|wen|wem|wessen|quién|quiénes)\b | ^(?:qui|chi)\b""",
    "place": r"""\bwhere\b | \b(?:wo|wohin|woher|dónde|dove)\b | ^où\b
        | \b(?:what|which)\s+(?:city|town|country|state|place|street|address|region|continent)\b
        | \bwelche[rsmn]?\s+(?:stadt|land|ort|staat|straße|adresse|gegend)\b""",
    "list": r"""\bwhat\s+are\b | \bwhich\b.*\bare\b | \b(?:nenne|zähle)\b
        | \b(?:list|name|enumerate)\s+(?:all|the|some|every|two|three|four|five)\b
        | \bwas\s+sind\b | \bwelche\b.*\b(?:gibt|sind)\b | \bquell?e?s\s+sont\b | \bcuáles\s+son\b""",
    "definition": r"""^(?:what|who)(?:['’]s|\s+(?:is|was))\s+(?:an?\s+)?[\w-]+(?:\s+[\w-]+)?\s*\?*$
        | \bdefin(?:e|ition)\b | \bmeaning\s+of\b | \bwhat\s+does\b.*\bmean\b
        | ^was\s+(?:ist|bedeutet)\s+(?:eine?\s+)?[\w-]+(?:\s+[\w-]+)?\s*\?*$""",
}
_TIMES = """
january february march april may june july august september october november december jan feb mar apr jun jul aug sept
sep oct nov dec januar februar märz mai juni juli oktober dezember janvier février mars avril juin juillet août
septembre octobre novembre décembre enero febrero marzo abril mayo junio julio agosto septiembre octubre noviembre
diciembre gennaio febbraio aprile maggio giugno luglio settembre ottobre dicembre
monday tuesday wednesday thursday friday saturday sunday montag dienstag mittwoch donnerstag freitag samstag sonntag
century centuries jahrhundert siècle siglo spring summer autumn winter frühling frühjahr sommer herbst morning evening
night noon morgens abends nachts morgen abend today yesterday heute gestern
"""
_NUMBERS = """
one two three four five six seven eight nine ten eleven twelve thirteen fifteen twenty thirty forty fifty sixty hundred
thousand million billion dozen half third quarter twice once none zero no single
eins zwei drei vier fünf sechs sieben acht neun zehn elf zwölf zwanzig dreißig hundert tausend million millionen
milliarde milliarden dutzend hälfte drittel viertel keine
deux trois quatre cinq sept huit neuf dix vingt cent mille dos tres cuatro cinco siete ocho nueve diez veinte cien mil
due tre quattro sei otto dieci
"""
_PARTS = {
    "reason": r"""\b(?:because|since|due\s+to|owing\s+to|so\s+that|in\s+order\s+to|therefore|thus|hence|reason|caus\w+
        |as\s+a\s+result|leads?\s+to|led\s+to|weil|denn|damit|wegen|aufgrund|deshalb|daher|grund|dadurch|um\b.*\bzu
        |parce|car|afin|puisque|à\s+cause|porque|debido|para\s+que|perché|poiché)\b""",
    "total": r"""\b(?:(?:grand\s+|sub)?total|(?:amount|balance)\s+due|to\s+pay|sum|in\s+all|altogether|gesamt\w*
        |(?:rechnungs|end)?(?:summe|betrag)|zu\s+zahlen|insgesamt|à\s+payer|montant|importe|totale)\b.*?\d""",
    "money": r"""[$€£¥₹] | \d\s?% | \b(?:percent|prozent)\b
        | \b(?:eur|euros?|usd|dollars?|gbp|pounds?|chf|francs?|franken|yen|cents?|rubel|rupees?)\b""",
    "list": r"""(?:[^,;]+[,;]){2} | (?:^|\n)\s*(?:[•‣▪·*–-]|\d{1,2}[.)])\s""",
    # Where the document itself says what is in it.
    "abstract": r"""\A\s*(?:abstract|(?:executive\s+)?summary|zusammenfassung|kurzfassung|résumé|resumen|riassunto|摘要)
        \s*[:.—–-]?\s""",
    # Lines of a contents list, an index, or a list of exhibits.
    "listing": r"""\.{4,} | (?:\.[ ]){4,} | …{2,} | incorporated\s+(?:herein\s+)?by\s+reference
        | \A\s*(?:(?:table\s+of\s+)?contents|inhalt|inhaltsverzeichnis|table\s+des\s+matières)\b
        | \A\s*\(?\d{1,3}\.\d{1,3}\S*\s+(?:form\s+of|amended|agreement|certific|consent|indenture)
        | \bexhibits?\s+\d+\.\d+""",
}
_DEFINES = r"is|are|was|were|means?|refers?\s+to|denotes?|describes?|ist|sind|bedeutet|bezeichnet|est|sont|es|son|è"
_CALLS = r"calls?|called|named|known\s+as|termed|heißt|heißen|nennt\s+man|nennen|genannt|appel\w+|llama\w*"
_NAMES = {
    "name": r"""(?:(?<=[^\W\d_][ ])|(?<=[,;:][ ])|(?<=[(„“"«]))[A-ZÄÖÜÉÀÅØ][\w’'-]+""",
    "place": r"""\b(?:in|at|near|from|to|on|of|im|am|bei|aus|nach|von|à|en|de|dans|a|di)\s+
        (?:the\s+|der\s+|die\s+|den\s+|dem\s+)?[A-ZÄÖÜÉ]\w+""",
}


@cache
def _asked() -> dict[Kind, re.Pattern[str]]:
    return {kind: re.compile(pattern, re.IGNORECASE | re.VERBOSE) for kind, pattern in _ASKED.items()}


@cache
def _part(name: str) -> re.Pattern[str]:
    return (
        re.compile(_NAMES[name], re.VERBOSE)
        if name in _NAMES
        else re.compile(_PARTS[name], re.IGNORECASE | re.VERBOSE | re.DOTALL)
    )


@cache
def _words(listed: str) -> frozenset[str]:
    return frozenset(listed.split())


def kind_of(question: str) -> Kind | None:
    """Return the kind of answer that the question asks for; None if that is open."""
    return next((kind for kind, pattern in _asked().items() if pattern.search(question.strip())), None)


def fits(kind: Kind | None, sentence: str, *, question: str) -> float | None:
    """Return how well the sentence has what a question of that kind asks for, 0..1; None if that is open.

    What the question itself has does not count: a year that it names is not the date that it asks for.
    """
    asked = set(words_of(question))
    new = [word for word in words_of(sentence) if word not in asked]
    if kind in ("total", "amount", "count", "date"):
        return _fits_figure(kind, sentence, new)
    if kind == "definition":
        *_, term = content_words(question) or words_of(question)
        return float(_is_defined(term, sentence))
    if kind in ("reason", "list"):
        return float(_part(kind).search(sentence) is not None)
    if kind == "person":
        return float(any(not asked.issuperset(words_of(name)) for name in _part("name").findall(sentence)))
    if kind == "place":
        return float(any(words_of(name)[-1] not in asked for name in _part("place").findall(sentence)))
    return None


def is_listing(text: str) -> bool:
    """Return whether a text is of a contents list, an index or a list of exhibits: it names what stands elsewhere."""
    return _part("listing").search(text) is not None


def is_abstract(text: str) -> bool:
    """Return whether a text begins with the heading of an abstract or a summary."""
    return _part("abstract").search(text) is not None


def _is_defined(term: str, sentence: str) -> bool:
    """Return whether the sentence says what the term is: "X is", "called X", "heißt X"."""
    term = re.escape(term)
    is_what = rf"\b{term}s?\W+(?:\([^)]{{0,80}}\)\s+)?(?:{_DEFINES})\b"
    is_called = rf"\b(?:{_CALLS})\s+(?:\S+\s+){{0,3}}{term}\b"
    return re.search(f"{is_what}|{is_called}", sentence, re.IGNORECASE) is not None


def _fits_figure(kind: Kind, sentence: str, new: Sequence[str]) -> float:
    has_figure = any(char.isdigit() for word in new for char in word)
    has_number = has_figure or not _words(_NUMBERS).isdisjoint(new)
    is_money = _part("money").search(sentence) is not None
    if kind == "total":
        has_total = _part("total").search(sentence) is not None
        return 1.0 if has_total and has_figure else 0.5 if is_money and has_figure else 0.0
    if kind == "amount":
        return 1.0 if is_money and has_figure else 0.8 if has_figure else 0.5 * has_number
    if kind == "count":
        return float(has_number)
    has_year = any(len(word) == 4 and word.isdigit() for word in new)
    return 1.0 if has_year or not _words(_TIMES).isdisjoint(new) else 0.5 * has_figure
