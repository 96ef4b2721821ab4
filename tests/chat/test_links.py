"""Addresses are found however they are written, and what is none is not taken for one."""

import html
import re
from pathlib import Path
from random import Random
from time import process_time

import idna
import pytest
from linkify_it import LinkifyIt
from linkify_it.tlds import TLDS
from markdown_it import MarkdownIt

from chalicelib.model.chat.export import as_markdown
from chalicelib.model.chat.links import addresses_in, has_unsupported_addresses
from tests.support.messages import citation, message

LINKS = Path(__file__).parent / "links"  # one text a line
ADDRESSES = (LINKS / "addresses.txt").read_text(encoding="utf-8").splitlines()
CLOSING = ("heading_close", "paragraph_close")
UNSEEN = [
    "evil\u200b.com",
    "ev\u00adil.com",
    "evil.c\u200dom",
    "evil.co\ufe0fm",
    "e\u034fvil.com",
    "e\u2060vil.com",
]

TEXTS = (LINKS / "no_addresses.txt").read_text(encoding="utf-8").splitlines()


def test_addresses_are_found() -> None:
    assert len(ADDRESSES) >= 120
    assert [text for text in ADDRESSES + UNSEEN if not has_unsupported_addresses(text, ["It rose."])] == []


def test_what_is_quoted_whole_is_known() -> None:
    texts = [*ADDRESSES, *UNSEEN, *(obfuscated(Random(n)) for n in range(500))]
    assert [text for text in texts if has_unsupported_addresses(text, [f"It rose. {text}"])] == []


def test_other_texts_have_none() -> None:
    assert len(TEXTS) >= 120
    assert {text: found for text in TEXTS if (found := addresses_in(text))} == {}


@pytest.mark.parametrize(
    ("sentence", "known", "expected"),
    [
        ("See setup.py and README.md.", "setup.py reads README.md", False),
        ("It rose.In May it fell.", "it rose and fell", False),
        ("It grew.In May it fell.", "it rose and fell", True),
        ("1.In May it fell.", "it fell", False),
        ("Washington D.C.is big.", "Washington D.C. is big.", False),
        ("г.Москва велика", "г. Москва велика", False),
        ("See evil.com.", "It is evil, com and all.", True),
        ("See evil[.]com.", "at evil.com", False),
        ("See https://good.com/a.", "(see good.com/a)", False),
        ("See good.com.", "https://good.com/a/b?c", False),
        ("See Good.COM.", "at good.com", False),
        ("See xn--e1afmkfd.xn--p1ai.", "at пример.рф", False),
        ("See https://good.com/.", "请访问good.com查看", False),
        ("See good.com/b.", "at good.com/a", True),
        ("See good.com/a?q=secret", "at good.com/a", True),
        ("See good.com/A", "at good.com/a", True),
        ("See good.com/\u200ba", "at good.com/a", True),
        ("See good.com/%61", "at good.com/a", True),
        ("See good.com/\uff41", "at good.com/a", True),
        ("See good.com/?.-.-.--.--.", "at good.com/?", True),
        ("See good.com/?.!.!!.!..!.", "at good.com/?", True),
        ("See sub.good.com.", "at good.com", True),
        ("See good.com.evil.com", "at good.com", True),
        ("See https://good.com@evil.com", "at good.com", True),
        ("Ask eve@good.com.", "at good.com", True),
        ("Ask eve@good.com.", "mail eve@good.com", False),
        ("See ftp://good.com.", "at https://good.com", True),
        ("![x](https://good.com/a)", "at https://good.com/a", True),
        ("See good.com/a.", "at good.com/ab", True),
        ("See good.com/a.", "at good.com/a/b", True),
        ("![x](https://good.com/b)", "at https://good.com/a", True),
        ("![x](b)", "x (b)", True),
        ("![x](b)", "so ![x](b) it is", False),
    ],
)  # fmt: skip
def test_an_address_is_known_as_a_whole(sentence: str, known: str, expected: bool) -> None:
    assert has_unsupported_addresses(sentence, [known]) is expected


LINKIFIER = LinkifyIt().tlds([*TLDS, "рф", "中国", "テスト", "example"])
RENDERER = MarkdownIt("gfm-like", {"html": True})
RENDERER.linkify = LINKIFIER
SEEDS = [
    "evil.com/q",
    "http://evil.com",
    "//evil.io/q",
    "злой.рф",
    "a@evil.de",
    "127.0.0.1/q",
    "www.evil",
    "mailto:a@b",
]
FILLERS = ["\u200b", "\u00ad", "\ufe0f", "<b></b>", "<!---->", "**", "&zwnj;", "\\", "&Tab;"]
AROUND = [
    "{}",
    "({})",
    "<{}>",
    "[x]({})",
    "![x](<{}>)",
    "*{}*",
    "&lt;{}&gt;",
    "请访问{}查看",
    "see {}.",
    '"{}"',
    "{}.Then",
]


def written_otherwise(char: str, random: Random) -> str:
    wide = chr(ord(char) + 0xFEE0) if "!" <= char <= "~" else char
    dots = "。．｡․" if char == "." else char
    spellings = [char, char.upper(), wide, f"&#{ord(char)};", f"&#x{ord(char):x};", f"%{ord(char) % 128:02x}"]
    return random.choice([char] * 6 + [random.choice([*spellings, random.choice(dots)])])


def obfuscated(random: Random) -> str:
    address = "".join(written_otherwise(char, random) for char in random.choice(SEEDS))
    for _ in range(random.choice((0, 0, 1, 2))):
        at = random.randrange(len(address) + 1)
        address = address[:at] + random.choice(FILLERS) + address[at:]
    return random.choice(AROUND).format(address)


def scrambled(random: Random) -> str:
    pieces = [
        *FILLERS,
        *AROUND,
        *SEEDS,
        *"./:@?#-_ [](){}<>!。a1例",
        ".com",
        ".in",
        "http:",
        "&period;",
        "%2e",
        "{}",
    ]
    return "".join(random.choice(pieces) for _ in range(random.randrange(1, 9)))


def followed(text: str) -> bool:
    """Return whether Markdown makes a link or a picture of the text, or a linkifier finds one in what is shown."""
    (inline,) = [token for token in RENDERER.parse(f"x {text}") if token.type == "inline"]
    tokens = inline.children or []
    shown = "".join(token.content for token in tokens if token.type != "html_inline")
    urls = [link.url for view in (shown, html.unescape(text)) for link in LINKIFIER.match(view) or ()]
    urls += [str(token.attrs[name]) for token in tokens for name in ("href", "src") if name in token.attrs]
    return any(map(leads_somewhere, urls))


def leads_somewhere(url: str) -> bool:
    """Return whether a linkifier takes it for an address. It also takes a name of invisible characters only."""
    host = re.match(r"[a-z]+:(?://)?(?:.*@)?([^/?#:]+)", url)
    try:
        return not host or bool(idna.encode(host[1], uts46=True))
    except idna.IDNAError:
        return False


def test_whatever_is_followed_is_found() -> None:
    random = Random(10)
    texts = [make(random) for _ in range(2_000) for make in (obfuscated, scrambled)]
    links = [text for text in texts if followed(text)]
    assert len(links) > 1_000
    assert [text for text in links if not has_unsupported_addresses(text, [])] == []


def test_nothing_is_followed_in_an_export() -> None:
    """But by GitHub, which makes a link of an e-mail address whatever is escaped: "@" is left out."""
    texts = [text for text in ADDRESSES + UNSEEN if "@" not in text]
    for text in texts:
        cited = citation(item_name=text, quote=text, answer_end=len(text))
        tokens = RENDERER.parse(as_markdown(text, [message("assistant", text, cited)]))
        inside = {child.type for token in tokens for child in token.children or ()}
        assert inside <= {"text", "text_special", "strong_open", "strong_close"}, text
        assert {token.type for token in tokens} <= {"heading_open", "paragraph_open", "inline", *CLOSING}, (
            text
        )


@pytest.mark.parametrize(
    "piece",
    [
        "[",
        "![",
        "[a](",
        "<a ",
        "<",
        "*a ",
        "_a",
        "`",
        "&",
        "%25",
        "a.",
        "://",
        "a@",
        "0x1.",
        ":",
        "例。",
        "a*",
    ],
)
def test_long_texts_take_time_in_proportion(piece: str) -> None:
    """Ten times the text may take 50 times the CPU time, the best of three; the square of it would take 100 times."""

    def seconds(length: int) -> float:
        start = process_time()
        addresses_in(piece * (length // len(piece)))
        return process_time() - start

    seconds(100)
    assert min(seconds(10_000) for _ in range(3)) < 0.5 + 50 * min(seconds(1_000) for _ in range(3))
