"""Quotes are found in spite of what means nothing, and not found when a word, a number or an end of one differs."""

from time import thread_time

import pytest

from chalicelib.model.chat.citations import MAX_QUOTE_CHARS, Source, proves_something

FOUND = {
    "word for word": ("He bought a red bicycle.", "bought a red bicycle", "bought a red bicycle"),
    "with its full stop": ("He bought a red bicycle.", "bought a red bicycle.", "bought a red bicycle."),
    "with a full stop it has not": ("a red bicycle was here", "red bicycle was here.", "red bicycle was here"),
    "white space": ("a red\n  bicycle\twas here", "red bicycle was here", "red\n  bicycle\twas here"),
    "no-break space": ("a red\u00a0bicycle was here", "red bicycle was here", "red\u00a0bicycle was here"),
    "capitals": ("A RED Bicycle was here", "a red bicycle was", "A RED Bicycle was"),
    "ligatures": ("the of\ufb01ce in the a\ufb04uent town", "office in the affluent", "of\ufb01ce in the a\ufb04uent"),
    "a ligature in the quote": ("the first office there", "\ufb01rst o\ufb03ce there", "first office there"),
    "soft hyphens": ("soft\u00adware engi\u00adneering", "software engineering", "soft\u00adware engi\u00adneering"),
    "hyphenated at a line's end": ("an exam-\nple of this", "an example of this", "an exam-\nple of this"),
    "hyphenated and copied with a blank": ("an exam-\nple of this", "an exam- ple of this", "an exam-\nple of this"),
    "numbers below each other": ("as a table 12\n500\nand so on", "table 12 500 and so on", "table 12\n500\nand so on"),
    "a hyphen at a line's end": ("a well-\nknown example", "a well-known example", "a well-\nknown example"),
    "typographic dashes": ("from 1914\u20131918 it lasted", "1914-1918 it lasted", "1914\u20131918 it lasted"),
    "a typographic minus": ("at \u22125 degrees Celsius", "at -5 degrees Celsius", "at \u22125 degrees Celsius"),
    "typographic quotes": ("it’s a “very good” one", "it's a \"very good\" one", "it’s a “very good” one"),
    "in quotation marks": ("a red bicycle was here", "\u201cred bicycle was here\u201d", "red bicycle was here"),
    "decomposed accents": ("the cafe\u0301 is open late", "the caf\u00e9 is open", "the cafe\u0301 is open"),
    "composed accents": ("the caf\u00e9 is open late", "the cafe\u0301 is open", "the caf\u00e9 is open"),
    "sharp s": ("die lange Stra\u00dfe entlang", "LANGE STRASSE ENTLANG", "lange Stra\u00dfe entlang"),
    "an ellipsis": ("and so on\u2026 he said then", "so on... he said then", "so on\u2026 he said then"),
    "invisible characters": ("zero\u200bwidth and\ufeff more", "zerowidth and more", "zero\u200bwidth and\ufeff more"),
    "NUL in the quote": ("a red bicycle was here", "red bi\x00cycle was here", "red bicycle was here"),
    "Chinese": ("東京都は日本の首都です", "日本の首都", "日本の首都"),
    "between long dashes": ("the man\u2014an older keeper\u2014counts", "an older keeper", "an older keeper"),
    "a long dash in it": ("the man\u2014old keeper\u2014counts", "the man\u2014old keeper", "the man\u2014old keeper"),
    "a number at a line's end": ("a COVID-\n19 vaccine", "COVID-19 vaccine", "COVID-\n19 vaccine"),
    "a contraction": ("they can\u2019t swim here", "they can't swim", "they can\u2019t swim"),
    "thousands apart": ("about 12\u202f500 euros in all", "about 12 500 euros", "about 12\u202f500 euros"),
    "after a year": ("since 1999 500 people came", "500 people came", "500 people came"),
    "emoji before it": ("\U0001f600\U0001f600 one red bicycle", "one red bicycle", "one red bicycle"),
}  # fmt: skip
NOT_FOUND = {
    "a paraphrase": ("He bought a red bicycle.", "he purchased a red bicycle"),
    "a word left out": ("He did not buy a red bicycle.", "He did buy a red bicycle"),
    "left out with dots": ("He did not buy the red old bicycle.", "He did not buy ... old bicycle"),
    "a beginning inside a word": ("it is unsafe to use in water", "safe to use in water"),
    "an end inside a word": ("all of this is probable cause", "all of this is probab"),
    "a beginning inside a number": ("he paid 1.5 million dollars", "5 million dollars"),
    "a beginning after a thousand": ("he paid 12,500 dollars then", "500 dollars then"),
    "an end inside a number": ("they counted about 1,000 of them", "they counted about 1"),
    "without the sign": ("it was -5 degrees Celsius there", "5 degrees Celsius there"),
    "without its not": ("that they really can't swim", "that they really can"),
    "without its \u2019s": ("it belongs to the owner\u2019s son", "it belongs to the owner"),
    "after thousands apart": ("it costs 12\u00a0500 euros in all", "500 euros in all"),
    "before thousands apart": ("it costs about 12 500 euros", "it costs about 12"),
    "after a thousand's apostrophe": ("it costs 12\u2019500 francs in all", "500 francs in all"),
    "without the decimal point": ("it costs .5 million francs", "5 million francs"),
    "without the mark on a kana": ("私は明日行きますが雨です", "私は明日行きますか"),
    "another number": ("he paid 15 million dollars", "he paid 16 million dollars"),
    "a power as digits": ("ten to the 10\u00b2 metres long", "ten to the 102 metres long"),
    "without the accent": ("the caf\u00e9 is open late", "the cafe is open late"),
    "too little": ("the the the and the of it", "the"),
    "little words": ("it is of the so they say", "it is of the"),
    "one word": ("Donaudampfschifffahrtsgesellschaft fährt", "Donaudampfschifffahrtsgesellschaft"),
    "nothing": ("a red bicycle", ""),
    "only marks": ("a ... \u201c\u201d ... b", "... \u201c\u201d ..."),
    "too much": ("ab " * 4_000, "ab " * (MAX_QUOTE_CHARS // 3 + 1)),
}


@pytest.mark.parametrize("name", FOUND)
def test_what_means_nothing_does_not_hide_a_quote(name: str) -> None:
    text, quote, expected = FOUND[name]
    span = Source(text).find(quote)
    assert span is not None
    assert text[slice(*span)] == expected


@pytest.mark.parametrize("name", NOT_FOUND)
def test_what_is_not_there_is_not_found(name: str) -> None:
    text, quote = NOT_FOUND[name]
    assert Source(text).find(quote) is None


def test_of_several_places_the_one_in_the_passage_is_taken() -> None:
    text = "It rained all day. Then it was dry. It rained all day."
    assert Source(text).find("It rained all day", near=20) == (36, 53)
    assert Source(text).find("It rained all day", near=40) == (0, 17)


@pytest.mark.parametrize("piece", ["a", "a ", "a-", "-\n", "\u0301", "1.", "\ufb03", "\x00", " \n"])
def test_long_texts_take_time_in_proportion(piece: str) -> None:
    def seconds(length: int) -> float:
        start = thread_time()
        Source(piece * length).find((piece * length)[: MAX_QUOTE_CHARS - 4] + " end")
        return thread_time() - start

    seconds(1_000)
    assert seconds(100_000) < 0.1 + 30 * seconds(10_000)


def test_a_quote_of_100_kb_is_refused_unread() -> None:
    source = Source("word " * 10_000)
    start = thread_time()
    assert source.find("word " * 20_000) is None
    assert thread_time() - start < 0.01


@pytest.mark.parametrize(
    ("quote", "proves"),
    [
        ("The rent is due.", True),
        (f"{'-' * 50} The rent is due.", True),
        (f"A short word {'.' * 40} and more", True),
        ("Supercalifragilisticexpialidocious-antidisestablishmentarianism", False),
        ("12 of 14", False),
        (f"Page 3 {'.' * 60} 4", False),
        ("東京の写真", True),
        ("", False),
    ],
)
def test_a_quote_proves_something_by_its_letters_and_words_wherever_they_stand(
    quote: str, proves: bool
) -> None:
    assert proves_something(quote) is proves
