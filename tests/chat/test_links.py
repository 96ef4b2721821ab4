"""Addresses are found however they are written, and what is none is not taken for one."""

import html
import re
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

ADDRESSES = r"""
t.co/AbC
x.com/evil
x.com
злой.рф/вход
злой.рф
例え.テスト
例子.中国
उदाहरण.भारत
مثال.السعودية
예.한국
☕.ws
xn--g1aey4a.xn--p1ai
Xn--G1aey4a.Xn--P1ai/x
evil.COM
Evil.Com/Path
evil.co.uk
a.b.c.evil.io
evil-site.museum
evil.technology
evil.onion
printer.local
evil.example.
(evil.com)
"evil.com"
“evil.com”
evil.com, then
evil.com.Then go
at evil.com!
evil.com:8080
evil.com./x
evil.com?q=secret
evil.com#secret
_evil.com_
**evil.com**
evil_1.com
setup.py
README.md
install.sh
archive.zip
www.evil
www.evil.whatever/x
WWW.EVIL.TEST
http://evil
http:evil
http:/evil/q
http:///evil/q
HTTP://EVIL/Q
https:\\evil\q
http://user:word@evil/
https://good.com@evil.com/
ftp://evil/q
ws://evil/q
made-up+scheme://evil/q
//localhost/q
//evil/q
see (//evil/q)
src="//evil/q"
\\server\share\x
/\evil.com/q
localhost:8000
localhost/admin
file:/etc/passwd
file:///etc/passwd
C:\Windows\system.ini
sip:a
sips:a@b
tel:+493012345
sms:+493012345
mailto:eve
callto:eve
skype:eve?call
javascript:alert(1)
JavaScript:alert(1)
vbscript:msgbox
data:text/html,x
blob:x
about:blank
view-source:x
magnet:?xt=urn
bitcoin:1Bo
xmpp:eve
matrix:u/eve
geo:52.5,13.4
urn:isbn:1
ms-word:ofe
web+coffee:x
intent:x
feed:evil
webcal:evil
tg:resolve
eve@evil.com
Eve.Adams+x@evil.co.uk
eve@localhost
(eve@evil.com)
127.0.0.1
127.0.0.1:8000/x
0x7f.0.0.1
0177.0.0.01
0x7f.1
http://2130706433/
http://0x7f000001/
http://017700000001/
http://[::1]/
[::1]:8000
[fe80::1%25eth0]/x
[2001:db8::1]
2001:db8::1
::ffff:127.0.0.1
[a](b)
[a](b "c")
[a](<b c>)
[a](/api/v1/items)
[a](#x)
[a](made-up:x)
![a](b)
![](x.gif)
![a](//evil。example/q)
[b]: sip:a
[b]: //evil/x
<sip:a>
<made-up:x>
<eve@evil>
<img src=x>
<img/src=x>
<IMG SRC = x>
<a href='x'>y</a>
<a title=">" href=x>
<svg onload=alert(1)>
<body style="background:url(x)">
<form action=x
ev<b>il</b>.com
ev<!-- x -->il.com
ev**il**.com
ev~~i~~l.com
evil.~~c~~om
evil.**c**om
%2e<!---->.com
evil%2<b></b>ecom/x
ev`il`.com
evil\.com
http\://evil
&period;&NewLine;evil&period;com
evil&period;com
evil&#46;com
evil&#x2e;com/q
http&colon;//evil
http&colon;&sol;&sol;evil
java&Tab;script&colon;alert(1)
ht&NewLine;tp://evil
evil&amp;period;com
evil%2ecom/x
evil%252ecom/x
evil%E3%80%82com
evil。com
evil．com
evil｡com
evil․com
ｅｖｉｌ．ｃｏｍ
ⓔⓥⓘⓛ.ⓒⓞⓜ
𝐞𝐯𝐢𝐥.𝐜𝐨𝐦
ｈｔｔｐ：／／ｅｖｉｌ
请访问evil.com查看
请访问http://evil查看
evil[.]com
evil(.)com/x
evil [dot] com
evil dot com
evil . com
eve at evil dot org
evil&lbrack;.&rbrack;com
ｅｖｉｌ［．］ｃｏｍ
evilꓸcom
evil.com→
evil.com👍 now
evil.com∕path
evil.соm
t.со
evil.cοm
evil.ᴄᴏᴍ
ᴇᴠɪʟ.ᴄᴏᴍ
evil.🅲🅾🅼
evil.ıo
httρ://evil
<script>eval(x)
&lt;style&gt;
search-ms:query=x
itms-services:x
otpauth:x
router.lan/admin
evil.eth
今日はevil.comへ
사이트evil.com에서
""".strip().split("\n")
CLOSING = ("heading_close", "paragraph_close")
UNSEEN = [
    "evil\u200b.com",
    "ev\u00adil.com",
    "evil.c\u200dom",
    "evil.co\ufe0fm",
    "e\u034fvil.com",
    "e\u2060vil.com",
]

TEXTS = r"""
It rose.
It rose, e.g. at noon, i.e. late.
e.g.
i.e.
a.m.
at 5 p.m. sharp
3.5
3.5.
1.2.3
12.05.2026
1,200.50 euros
press (.) to go
the .com boom
a dot in the middle
array[.]x
π.χ.το
рыба.сом
т.е.со мной
и т.ч.
2.5→3.5
it ended.🎉 Then
v1.2.3 of driver.sys
minutes.docx
1.234.567,89
z.B.das
e.g.this
System.out.println
他来了。她走了。
ул.Ленина
قال نعم.لا
ratio 3:1
10:30
10:30:45
from 10:30 to 12:00
John 3:16
Note: this
Note:this
Warning:hot
Re: your letter
Re:your letter
Titel:Untertitel
Matthew 5:3-12
key:value
a:b
and/or
he/she
24/7
km/h
w/o
n/a
1/2
TCP/IP
input/output/both
either // or
// a comment
:/ sad
sad :/ today
Dr.Smith
Mr.Bean
St.Gallen
Prof.Dr.Meier
Nr.5
No.5
p.12
Fig.3
Inc.
Acme Inc. and Co.
Ltd.
etc.
etc.and so on
vs.
z.B.
d.h.
u.a.
i.d.R.
S.p.A.
Ph.D.
U.S.
U.S.A.
D.C.
P.S. more
J.R.R. Tolkien
J.R.R.Tolkien
Node.js
Vue.js and Next.js
file.txt
report.pdf
photo.jpg
photo.jpeg, scan.tiff
data.csv
config.json
index.html
style.css
main.cpp
App.tsx
table.xlsx
letter.docx
song.mp3
os.path.join
java.util.List
self.assertEqual
x.y
a.b.c
v2.0
v1.2.3-beta
Python 3.11
Windows 3.1
§ 3.2.1
wait...no
Wait... no
Hmm..ok
It ended.Then it began.
It rose.The end
He left.She stayed.
kalt.Warm
fini.Ensuite
1. First
1.First
a) first
[1]
[sic]
[1] and [2]
array[0]
f(x)
f[0] (x)
x < y
a<b and c>d
a < b = c
x <= y >= z
if a<b
<b>bold</b>
<br>
a -> b
a*b*c
2*3*4
snake_case_name
_emphasis_ and *stress*
`code`
# heading
> quoted
- item
| a | b |
AT&T
R&D
Q&A
fish &amp; chips
100%
50%20
5 @ 3
@handle
#tag
std::vector
Foo::Bar
add::face
::
:-)
;-)
C#
C++
.NET
.htaccess
~/notes
/etc/passwd
/api/v1/items
../x
\alpha + \beta
40°C
€5
$5.00
5'10"
“Yes.”
«Oui.»
(maybe)
rock 'n' roll
localhost
runs on localhost.
the data: numbers
data, about, news: all
tel. 030
mail: below
今日は雨。明日は晴れ
价格是五十元。请付款。
他住在北京。公司在上海。
第一。第二
他去了北京。中国，很大。
東京。In 2020
「はい。」
это дом.Он стар
Конец.Начало
سلام. مرحبا
नमस्ते। फिर
٣٫٥
""".strip().split("\n")


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
