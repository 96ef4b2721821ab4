"""Sentences of texts in many languages. A bar shows where one ends; what has no bar is one sentence."""

import time

import pytest

from chalicelib.model.ingest.sentences import is_ended, sentence_spans

TEXTS = [
    "It is red.|It is blue!|Is it?|Yes…|“It is.”|(So it is.)|The end",
    "The first line\nof a sentence.|The next\n\n|A heading\n\n|A text",
    # a line that ends early, and a full one
    "It returns nothing if the node that it was given has no\nname.|\nnode_name\nIs another function.",
    "The full line of this text ends with a rare abbrevn.\nand goes on in the next line, which is full as well.",
    # abbreviations, initials, titles
    "Mr. Smith met Dr. J. R. Brown, Prof. Lee et al. (2012) and Mrs. O. Hara.|They talked.",
    "Use fruit, e.g. Apples, i.e. No nuts.|See Fig. 3, Eq. 4, pp. 12 and No. 7 vs. Germany.|Good.",
    "The U.S. Army left.|He lives in the U.S.|The army left.",
    "It ended at 5 p.m.|They went home.|At 5 p.m. Eastern time.",
    "Acme Inc. Chairman Bob spoke.|He left Acme Inc.|The chairman stayed.",
    "No.|He did not.|It is vitamin C.|The other is D.",
    "George W. Bush and A. A. Milne are names.|So is Washington, D.C.|It is a town.",
    # figures, lists, dots
    "It costs 3.50 euros.|In 1990.|12 people came on Sept. 5.|Version 2.1.|The next one.",
    "1. Wash the pot.\n|2. Fill it.\n|a. With soil.\n|iv. With water.\n|(b) With care.",
    "Contents\nIntroduction ........ 3\nMethods ........ 12",
    "He waited . . . and waited... and left.|Then...|Nothing.",
    "See https://example.org/a.b?c=d.e for more.|Write to a.b@example.org.|Now.",
    # brackets and quotes
    "It is new (see Chapter 4. It has more) and good.|He said [sic. Or not] so.|An open ( bracket.|Ends.",
    'She asked: “Why? Because?” and left.|"Stop!" he cried.|"Stop!"|Then he left.',
    "Yahoo! is a firm.|Who? asked nobody.",
    # German
    "Am 3. Oktober wird z. B. gefeiert, d.h. es ist frei, und das ist gut so.|Das gilt im 19. Jahrhundert.|Es ist gut.",
    "Die Firma hat ca. 20 Leute, vgl. Abb. 3 und S. 12 ff. der Akte.",
    "Der Herr Dr. Müller ist der Chef.|Es sind 12.|Das ist viel.",
    # French, Spanish, Italian, Russian, Greek
    "Mme. Curie est née à Varsovie.|« Où est-elle ? »|Elle est là !",
    "¿Dónde está la Sra. López?|¡Aquí!|Vive en la pág. 3.",
    "Il sig. Rossi è qui, ecc.|Il resto no.|Va bene.",
    "А. С. Пушкин родился в 1799 г. в Москве.|Он умер в 1837 г.|Он был поэт.|См. рис. 3.",
    "the design of amplifiers.|a method is given.",
    "Πού είναι;",
    # other scripts
    "東京都です。|富士山です！|「行く。」と言った。|終わり",
    "它是红的。|它是蓝的吗？|（见第三章。然后再说）是的。|「好。」|他走了",
    "यह लाल है।|वह नीला है॥|क्या?",
    "هل هو أحمر؟|نعم.|هو كذلك!",
    "یہ سرخ ہے۔|وہ نیلا ہے۔",
    "Նա եկավ։|Նա գնաց։",
    "នេះជាផ្ទះ។|នោះជាឡាន។",
    "ไม่มีจุด",
]


@pytest.mark.parametrize("shown", TEXTS)
def test_a_text_is_split_where_its_sentences_end(shown: str) -> None:
    text = shown.replace("|", "" if any(mark in shown for mark in "。！") else " ")
    wanted = [part.strip() for part in shown.split("|")]
    assert [text[start:end] for start, end in sentence_spans(text)] == wanted


@pytest.mark.parametrize(
    ("sentence", "ended"),
    [
        ("It is.", True),
        ("“Is it?”", True),
        ("(它是。）", True),
        ("है।", True),
        ("A heading", False),
        ("", False),
    ],
)
def test_an_ended_sentence_is_known_by_its_mark(sentence: str, ended: bool) -> None:
    assert is_ended(sentence) == ended


@pytest.mark.parametrize(
    "unit", ["a. ", "(a. ", "e.g. ", ". ", "1. ", "。", "(。", ".\n", "U.S. A", "「", "\n"]
)
def test_time_is_linear_on_hostile_text(unit: str) -> None:
    times = []
    for size in (15_000, 60_000):
        start = time.process_time()
        text = unit * (size // len(unit))
        assert "".join("".join(text[a:b].split()) for a, b in sentence_spans(text)) == "".join(text.split())
        times.append(time.process_time() - start)
    assert times[1] < 10 * times[0] + 0.1, times  # four times the text; quadratic would be 16 times
