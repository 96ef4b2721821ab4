"""Hostile strings: keys, file names, texts, cursors. Those that nothing can be stored under stand apart."""

import base64
import json
import random

MAX_KEY_BYTES = 1024  # S3's limit
OWNER = "alice/"


def _filled(character: str, owner: str = OWNER) -> str:
    """As many of the character as a key may have in bytes, with a name's end."""
    left = MAX_KEY_BYTES - len(owner) - len(".jpg")
    return character * (left // len(character.encode())) + ".jpg"


# What follows `alice/`. S3 takes every one of them.
NAMES = [
    "../escape.jpg",
    "../../bob/secret.jpg",
    "a/../b.jpg",
    "..",
    ".",
    "...",
    "a//b.jpg",
    "/slash-first.jpg",
    "..%2F..%2Fbob%2Fsecret.jpg",
    "%00.jpg",
    "100%.jpg",
    "a+b c.jpg",
    "after.jpg ",
    "\u00e9.jpg",
    "e\u0301.jpg",
    "a" + "\u0301" * 300 + ".jpg",
    "שלום.jpg",
    "\u202egpj.exe",
    "\ufeff\u200b\u2028.jpg",
    "👩‍👩‍👧‍👦.jpg",
    "\U0010ffff\uffff\ufdd0.jpg",
    "x\rSet-Cookie: a=b\r\r<b>.jpg",  # a line feed the emulated S3 has no route for; see TEXTS
    "\x01\x7f\x1b[31m\x85\x9f.jpg",
    "'; DROP TABLE items; --.jpg",
    '"quoted"; filename="other.exe".jpg',
    "<img src=x onerror=alert(1)>.jpg",
    "?after=1&limit=0#top.jpg",
    "back\\slash\\..\\x.jpg",
    "{item_id}",
    "%s%(user_id)s{0}.jpg",
    ".hidden",
    "_derived/bob/0-1/x/thumbnail.jpg",
    "download",
    _filled("x"),
    _filled("\U0001f600"),
    _filled("d/"),
]
# No item can be made of these; an event of one is refused as a whole.
IMPOSSIBLE_KEYS = [
    "alice/nul\0.jpg",
    "alice/half\ud800.jpg",
    "alice/\udfffhalf.jpg",
    "alice",
    "alice/",
    "/alice.jpg",
    "",
    "..",
    "../alice/a.jpg",
    "al ice/a.jpg",
    "alice\n/a.jpg",
    "älice/a.jpg",
    "a" * 65 + "/a.jpg",
    "alice%2Fa.jpg",
    "alice/" + "x" * MAX_KEY_BYTES,
]
TEXTS = [
    "",
    " ",
    "\0",
    "a\0b",
    "\ud800",
    "\udc00\ud800",
    "\ufffe\uffff",
    "\u202e\u2066\u200f\u061c",
    "\x01\x1b[2J\x7f\x85",
    "x\r\nSet-Cookie: a=b",
    "'; DROP TABLE items; --",
    "' OR '1'='1",
    "%s %(user_id)s {0} ${x} {{7*7}}",
    "<script>alert(1)</script>",
    "../../../etc/passwd",
    "..%2f..%2f",
    "%00",
    "\\",
    "\\'",
    "!!! && || <-> <2> :*A ( ) ! & | ' ''",
    "a:*B & !(b | c) <-> 'd'",
    "http://a.b/c'd\\e?f=g&h='i' /usr/x'y\\z a@b.c 1e400 -0 +1.5e-7",
    "* % _ [a-z] (((((( \\( ^$ (?R)",
    "NaN",
    "-0",
    "1e999",
    "9" * 400,
    "-9223372036854775809",
    "9223372036854775808",
    "0x10",
    "1_000",
    "٣",
    "true",
    "null",
    "[]",
    "{}",
    "0001-01-01T00:00:00+14:00",
    "9999-12-31T23:59:59.999999-14:00",
    "2024-02-30T00:00:00Z",
    "2024-01-01T24:00:00Z",
    "-infinity",
    "1e308",
    "é" * 2_000,
    "\u0301" * 2_000,
    "日" * 2_000,
    "\U0001f600" * 2_000,
    "x" * 2_001,
    "x" * 100_000,
    "ﷺ" * 500,
    "İıſß" * 400,
    "\ue000\ue001" * 300,
    "a " * 1_000,
]


def random_texts(count: int, *, seed: int, max_chars: int = 2_000) -> list[str]:
    """Texts over all of Unicode but surrogates, with the query parsers' own signs sprinkled in."""
    chance = random.Random(seed)
    planes = [(0x20, 0x7F), (1, 0x300), (0x300, 0x370), (0x590, 0x900), (0x2000, 0x2100), (0x3000, 0xA000)]
    planes += [(0xE000, 0x10000), (0x10000, 0x110000)]

    def character() -> str:
        return (
            chance.choice("'\"\\&|!():*<->%_@/. ") if chance.random() < 0.2 else chr(chance.randrange(*plane))
        )

    texts = []
    for number in range(count):
        plane = planes[number % len(planes)]
        texts.append("".join(character() for _ in range(chance.choice((1, 7, 60, max_chars)))))
    return texts


def encoded(value: object) -> str:
    """Return a cursor as ours are encoded, of something else."""
    raw = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def forged_cursors(*, seed: int) -> list[str]:
    chance = random.Random(seed)
    now = "2026-01-02T03:04:05+00:00"
    values: list[object] = [
        None,
        True,
        0,
        -1,
        1e308,
        "a",
        "ab",
        [],
        {},
        [now],
        [now, 1],
        [1, "a"],
        [[now], "a"],
    ]
    values += [{"a": 1, "b": 2}, [now, None], [now, "a", "b"], [now, "\0"], [now, "\ud800"], [now, ["a"]]]
    values += [
        ["2026-01-02T03:04:05", "a"],
        ["0001-01-01T00:00:00+14:00", "a"],
        ["2026-01-02", "a"],
        ["now", "a"],
    ]
    values += [
        ["9999-12-31T23:59:59-23:59", "a"],
        ["infinity", "a"],
        ["2026-W01-1T00:00:00Z", 1],
        b"[" * 700,
        b"{" * 700,
    ]
    values += [
        b"NaN",
        b"[NaN,NaN]",
        b'["' + now.encode() + b'","\xff"]',
        b"9" * 700,
        b"\xff\xfe",
        b"[1e999, 1e999]",
    ]
    broken = [
        "=",
        "====",
        "a",
        "!!!!",
        "é",
        "\u202e",
        " ",
        "W10=",
        "W10==",
        "%5B%5D",
        "0",
        "-1",
        "99999999999999999999",
    ]
    return (
        broken
        + [encoded(value) for value in values]
        + [encoded(chance.randbytes(n)) for n in range(1, 60, 3)]
    )


# Members nobody may set, whatever the route.
FORBIDDEN_MEMBERS = {
    "user_id": "bob",
    "owner": 1,
    "id": "mine",
    "item_id": "mine",
    "status": "READY",
    "key": "bob/a.jpg",
    "bucket": "elsewhere",
    "failure_code": None,
    "is_admin": True,
    "role": "admin",
    "expires_at": "2099-01-01T00:00:00Z",
    "creation_id": "00000000-0000-0000-0000-000000000000",
    "__class__": "x",
    "__proto__": {"admin": True},
    "": 1,
}
