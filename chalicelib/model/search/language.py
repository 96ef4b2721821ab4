"""Guesses the language of a query from its letters and its function words."""

from chalicelib.patterns import pattern

# Frequent words of each language that the other languages here lack or use less.
_FUNCTION_WORDS = {
    "en": """the of and or to in is are was were for with by on at from as that this these what how which who do does
        did a an not can when where why has have had it its be been my""",
    "de": """der die das und ein eine einer eines einem mit von vom für ist sind nicht auf den dem des im zum zur über
        wie was wer wo wann warum welche welcher welches bei aus oder auch es war wird an in als nach sich er sie hat
        hatte haben viel viele wen wem wessen welchem welchen sein seine seiner ihr ihre ihrer wurde wurden werden
        gibt gab kann durch muss müssen soll sollen lange""",
    "fr": """le la les et du de un une des dans pour sur avec est sont que qui quoi au aux ce cette où quand comment
        pourquoi quel quelle pas ou par il elle a ont été combien son sa ses leur""",
    "es": """el la los las un una con para por y del de en como que qué cuál dónde cuándo quién es son no más al
        se su sus fue cuántos cuántas cuánto qué a""",
    "it": """il lo gli la le di della dello delle dei che nel nella è sono un una con per come quale dove quando chi
        non più quanti quante quanto ha si suo sua dal alla""",
    "pt": """o os a as um uma com não em da do das dos ao para por que qual onde quando quem é são mais no na""",
    "nl": """het een de van op te voor met niet zijn is en wat hoe waar wanneer wie welke bij naar ook of""",
}
_WORDS = {code: frozenset(words.split()) for code, words in _FUNCTION_WORDS.items()}
_HAN = "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003fffd"
_KANA = pattern("[ぁ-ゖァ-ヺ\uff66-\uff9f]")
_SCRIPTS = {
    "zh": pattern(f"[{_HAN}]"),
    "ja": pattern(f"[{_HAN}ぁ-ゖァ-ヺー々\uff66-\uff9f]"),
    "ko": pattern("[\u1100-\u11ff\u3130-\u318f\uac00-\ud7af]"),
    "ru": pattern("[\u0400-\u052f]"),
    "ar": pattern("[\u0600-\u06ff\u0750-\u077f\ufb50-\ufdff\ufe70-\ufeff]"),
    "he": pattern("[\u0590-\u05ff]"),
    "el": pattern("[\u0370-\u03ff\u1f00-\u1fff]"),
    "th": pattern("[\u0e00-\u0e7f]"),
}
_LETTER = pattern(r"[^\W\d_]")
_WORD = pattern(r"[^\W\d_]++")
_BEYOND_LATIN = pattern("[^\x00-\u024f]")
UNKNOWN_SCRIPT = "und"
LATIN = frozenset(_FUNCTION_WORDS)  # the languages that language_of tells by their words


def language_of(query: str) -> str | None:
    """Return the ISO 639-1 code of a query's language, "und" for an unknown script, None if Latin words do not tell.

    A script stands for the language with most speakers. A non-Latin script counts from a third of the letters on, as
    names often stay in Latin letters.
    """
    letters = "".join(_LETTER.findall(query))
    beyond = len(_BEYOND_LATIN.findall(letters))
    if beyond * 3 > len(letters):
        for code, script in _SCRIPTS.items():
            if len(script.findall(letters)) * 2 > beyond and (code != "zh" or not _KANA.search(letters)):
                return code
        return UNKNOWN_SCRIPT
    return _latin_language(query)


def _latin_language(query: str) -> str | None:
    words = _WORD.findall(query.lower())
    counts = {code: sum(word in known for word in words) for code, known in _WORDS.items()}
    best = max(counts, key=lambda code: counts[code])  # English wins a tie, as it comes first
    if best == "en":
        return "en" if counts["en"] else None
    # A single such word may be a name or a term (de novo), unless the query has an accent.
    return best if counts[best] > 1 or not query.isascii() else None
