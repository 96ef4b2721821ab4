"""Finds the addresses in a text that a Markdown renderer, a browser, a linkifier or a reader would follow.

A text is searched in four views: as it is, with entities and percent signs decoded, as Markdown shows it, and as
Markdown shows it, decoded. In each view characters are first mapped as a browser maps those of a host (UTS #46),
invisible characters are removed, and backslashes count as slashes. A bare name counts if it ends in a top-level
domain, or in letters that look like one. Dots that are spelt out (evil[.]com, evil dot com) count as dots. A single
number or word that only an address bar would take for a host (2130706433, intranet) is not found.

The libraries are loaded with the first text: markdown-it-py parses, idna has the tables of UTS #46, linkify-it-py has
the list of top-level domains.
"""

import html
import re
import unicodedata
from collections.abc import Collection, Iterable
from functools import cache, lru_cache
from ipaddress import AddressValueError, IPv6Address
from typing import TYPE_CHECKING
from urllib.parse import unquote

if TYPE_CHECKING:
    from markdown_it import MarkdownIt

_CJK = r"々〆〇\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\uf900-\ufaff\U00020000-\U0003ffff"
_LABEL = r"[^\s\x00-,./:-@\[-^`{-\xb6\xb8-\xbf\u2000-\u206f\u3000-\u3004\u3008-\u3020\u30fb\ue000]"
_STOP = "\ue000"  # stands for a full stop that ends a sentence
_CJK_STOP = re.compile(rf"(?<=[{_CJK}])[。｡](?=[{_CJK}A-Z])")
_SEAM = re.compile(
    rf"(?<=[^\W\d_])\.(?=[A-Z][a-z])|(?<=[^\W_])(?=[{_CJK}])|(?<=[{_CJK}])(?=[!-~])|[。｡\t-\r]"
)
# A sentence that begins right behind a full stop, or behind the number of a list item, and goes on.
# Dots as people spell them out, and characters that look like one (Unicode's confusables.txt).
_SPELT_DOT = re.compile(
    r"(?<=\w)(?:[\[({](?:\.|dot)[\])}]|\s[\[({]dot[\])}]\s)(?=\w)"
    r"|(?<=\w)\s(?:dot|\.)\s(?=(?:com|net|org|info|biz|io|app|dev|xyz)\b)|[\u0701\u0702\ua4f8\ua60e]"
)
# Letters that look like ASCII's and are not mapped to them by UTS #46: Cyrillic, Greek, small capitals.
_LOOKALIKES = str.maketrans(
    "аеорсухіјѕԁһӏмткονρικατυϲᴀʙᴄᴅᴇɢʜɪᴊᴋʟᴍɴᴏᴘʀꜱᴛᴜᴠᴡʏᴢɑɡı",
    "aeopcyxijsdhlmtkovpikatucabcdeghijklmnoprstuvwyzagi",
) | {base + n: 97 + n for base in (0x1F150, 0x1F170, 0x1F1E6) for n in range(26)}
_LATIN = re.compile(r"[a-zᴀ-ᴢ\U0001f150-\U0001f1ff]")
_SYMBOLS = re.compile(r"[\u2190-\u2bff\U0001f200-\U0001faff]")  # arrows, operators, pictures
_FULL_STOP_AND_SPACE = re.compile(r"\.\s+")
_NEXT_SENTENCE = re.compile(r"(?<![^\s(\"'“])([^\W\d_]{2,}|\d{1,2})\.(?=[A-Z][a-z]+\s)")

# Schemes that work without a slash behind them: HTML's safe list for registerProtocolHandler, URL's special schemes,
# and schemes that browsers and operating systems know.
_SCHEMES = (
    "about|blob|cid|data|feed|file|filesystem|ftp|http|https|itms|javascript|jar|ldap|livescript|mhtml|mid|mocha"
    "|resource|shell|vbscript|view-source|ws|wss|bitcoin|callto|ethereum|facetime|facetime-audio|fax|geo|im|intent|irc"
    "|ircs|lightning|magnet|mailto|maps|market|matrix|mms|monero|news|nntp|openpgp4fpr|sftp|sgnl|sip|sips|skype|sms"
    "|smsto|spotify|ssh|steam|tel|tg|urn|viber|webcal|whatsapp|wtai|xmpp"
    "|chrome|chrome-extension|dogecoin|ed2k|gopher|h323|ipfs|ipns|itms-apps|itms-services|ldaps|litecoin"
    "|moz-extension|msteams|nostr|otpauth|payto|rtmp|rtsp|search-ms|smb|telnet|vscode|zoommtg"
)
_URL = re.compile(
    rf"(?<![a-z])(?:[a-z][a-z0-9+.-]{{0,30}}+:/|(?:{_SCHEMES}|web\+[a-z]{{1,30}}+|ms-[a-z-]{{1,30}}+):)\S++"
    r"|(?<![^\W_])(?<![:/])/{2,}+\S++"
    r"|[^\W\d_]://\S++"
    r"|(?<![^\W_])www\.\S++"
    r"|(?<![\w.-])localhost(?::\d++|/)\S*+"
    r"|[^\s@]{1,64}@[^\W\d]\S*+"
)
_TAG = re.compile(r"<[a-z][^<>]*=[^<>]*|<(?:script|style)\b")
_HOST = re.compile(rf"(?<!{_LABEL}){_LABEL}++(?:\.{_LABEL}++)++")
_PART = r"(?:0x[\da-f]++|\d++)"
_IPV4 = re.compile(rf"(?<![\w.])(?:{_PART}(?:\.{_PART}){{3}}|0x[\da-f]++(?:\.{_PART}){{1,2}})(?!\w|\.\w)")
_IPV6 = re.compile(r"\[([\da-f:.]++)[^\s\]]*+\]|(?<![\w:.])([\da-f]{0,4}(?::[\da-f]{0,4}){2,7})(?![\w:])")
_LEADING = re.compile(r"\A[(\"'\[{<*_~“„‘«「『《【]*+(?:https?:)?/*+")
_WEB_ADDRESS = re.compile(r"https?:|/|www\.")
_WEB = re.compile(r"(?::\d++)?(?:[/?#]|\Z)")
_MARKS = r"[.,;:!?\"')\]}>*_~“”‘’«»…。，、！？；：）」』》】]"
_TRAILING = re.compile(rf"/?{_MARKS}{{0,6}}\Z")  # at most 6 marks: a long row of marks could carry a message
_MORE_THAN_A_NAME = re.compile(r"[/?#@:]")
_MARKUP = frozenset("\\`*_~[]<>!&")
# Names that resolve somewhere, or are reserved (RFC 2606, 6761, 6762, 7686, ICANN's .internal, IANA's test names).
_RESERVED = (
    "alt eth example i2p internal invalid lan local localhost onion test"
    " 测试 測試 परीक्षा испытание 테스트 טעסט δοκιμή テスト"
    " إختبار آزمایشی பரிட்சை"
)


def has_unsupported_addresses(sentence: str, sources: Iterable[str]) -> bool:
    """Return whether the sentence has an address that none of the texts has as a whole.

    A bare host name may be spelt differently in the text. An address with more than a host name must be in a text
    letter by letter: capitals and invisible characters reach the server, and could carry a message.
    """
    texts = [" ".join(text.split()) for text in sources]
    sentence = _apart(sentence, texts)
    said = addresses_in(sentence)
    if not said:
        return False
    # "D.C. is" in the text may be "D.C.is" in the sentence.
    known = (each for text in texts for each in (text, _FULL_STOP_AND_SPACE.sub(".", text)))
    if not said.issubset(address for text in known for address in addresses_in(text)):
        return True
    words = {_spelt(word) for word in sentence.split() if addresses_in(word)}
    return any(not _has(word, texts) for word in words if _MORE_THAN_A_NAME.search(word))


def _has(word: str, texts: Iterable[str]) -> bool:
    whole = re.compile(rf"(?<![^\W_])(?<![.@-]){re.escape(word)}/?(?=\s|{_MARKS}|\Z)")
    return any(map(whole.search, texts))


def addresses_in(text: str) -> set[str]:
    """Return the addresses in the text, each in one spelling: lower case, no http(s), no punctuation at the ends.

    The host of an address is in the result as well. A link without a host, and an HTML tag with attributes, are
    returned as they are.
    """
    plain = " ".join(text.split())
    rendered, destinations = _render(plain) if _MARKUP.intersection(plain) else ("", [])
    found = set[str]()
    for view in {plain, _decoded(plain), rendered, _decoded(rendered)}:
        found |= _scan(view)
    for destination in destinations:
        found |= _scan(_decoded(destination)) or {f"]({_folded(destination)}"}
    return found


def _apart(sentence: str, texts: Collection[str]) -> str:
    """Return the sentence with a space behind each full stop that ends a sentence.

    "It rose.In May" becomes "It rose. In May" if "rose" is a word of the texts; "rose.in" could be a host otherwise.
    """

    def part(match: re.Match[str]) -> str:
        word = match[1].casefold()
        return f"{match[1]}. " if word.isdigit() or word in words() else match[0]

    @cache
    def words() -> set[str]:
        return {word for text in texts for word in re.findall(r"\w++", text.casefold())}

    return _NEXT_SENTENCE.sub(part, sentence)


def _decoded(text: str) -> str:
    """Return the text with entities and percent signs decoded, also when they are nested, up to three levels."""
    for _ in range(3):
        text = unquote(html.unescape(text))
    return text


def _scan(view: str) -> set[str]:
    folded, parted = _folded(view), _folded(_SEAM.sub(lambda seam: f"{seam[0]} ", view))
    found = {_site(match[0]) for match in _URL.finditer(folded)}
    found |= {match[0].strip() for match in _TAG.finditer(folded)}
    found |= {
        name for text in {folded, parted} for match in _HOST.finditer(text) if (name := _host(match[0]))
    }
    found |= set(_IPV4.findall(folded))
    found |= {match[0] for match in _IPV6.finditer(folded) if _is_ipv6(match[1], match[2])}
    return found - {""}


def _host(name: str) -> str | None:
    labels = [_in_unicode(label.strip("-_")) for label in name.split(".")]
    last = _SYMBOLS.split(labels[-1], maxsplit=1)[0]  # evil.com→ ends in com
    alike = last.translate(_LOOKALIKES) if _LATIN.search(name) else last
    top = next((each for each in (labels[-1], last, alike) if each in _top_level_domains()), None)
    return ".".join([*labels[:-1], top]) if top else None


def _site(address: str) -> str:
    """Return the host of a web address, which may be a single word, or another address as `_spelt` returns it."""
    spelt = _spelt(address)
    return (_WEB_ADDRESS.match(address) and _WEB.split(spelt)[0]) or spelt


def _spelt(address: str) -> str:
    """Return the address without http(s), slashes and punctuation at its ends: http://a/ and a are equal."""
    return _TRAILING.sub("", _LEADING.sub("", address))


def _is_ipv6(bracketed: str | None, bare: str | None) -> bool:
    """Return whether the text is an IPv6 address. Without brackets it needs a digit: add::face is a C++ name."""
    if bare and not any(map(str.isdigit, bare)):
        return False
    try:
        return bool(IPv6Address(bracketed or bare or ""))
    except AddressValueError:
        return False


def _in_unicode(label: str) -> str:
    if not label.startswith("xn--"):
        return label
    try:
        return label[4:].encode("ascii").decode("punycode")
    except UnicodeError:
        return label


def _folded(text: str) -> str:
    folded = "".join(map(_fold_character, _CJK_STOP.sub(_STOP, text)))
    return _SPELT_DOT.sub(".", unicodedata.normalize("NFC", folded))


@lru_cache(maxsize=8192)
def _fold_character(char: str) -> str:
    from idna import IDNAError, uts46_remap

    if char == "\\":
        return "/"
    if unicodedata.category(char) in ("Cc", "Cf", "Cs"):
        return ""
    try:
        return uts46_remap(char, std3_rules=False)
    except IDNAError:
        return unicodedata.normalize("NFKC", char).casefold()


@cache
def _top_level_domains() -> frozenset[str]:
    from linkify_it.tlds import TLDS

    return frozenset([*(_in_unicode(name.lower()) for name in TLDS), *_RESERVED.split()])


def _render(text: str) -> tuple[str, list[str]]:
    """Return the text as rendered by Markdown, and the destinations of its links and pictures."""
    (inline,) = _renderer().parseInline(text)
    tokens = inline.children or []
    shown = "".join(token.content for token in tokens if token.type in ("text", "code_inline"))
    return shown, [
        str(token.attrs[name]) for token in tokens for name in ("href", "src") if name in token.attrs
    ]


@cache
def _renderer() -> "MarkdownIt":
    from markdown_it import MarkdownIt

    return MarkdownIt("commonmark").enable("strikethrough")
