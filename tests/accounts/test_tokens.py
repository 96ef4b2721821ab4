"""Access tokens: what was made here and is still good is taken, and nothing else whatever it looks like."""

import base64
import hashlib
import json
import random
from collections.abc import Callable

import pytest

from chalicelib.errors import Unauthenticated
from chalicelib.model.accounts import tokens
from chalicelib.model.accounts.tokens import (
    ACCESS_TOKEN_S,
    SKEW_S,
    Signing,
    key_id,
    make_access_token,
    new_refresh_token,
    new_session_id,
    read_access_token,
    read_refresh_token,
)
from tests.support.forged_tokens import (
    ALPHABET,
    CLAIMS,
    HEADER,
    NOW_S,
    OTHER,
    SECRET,
    SESSION,
    SIGNING,
    b64,
    forge,
)


def taken(token: str, *, signing: Signing = SIGNING, now_s: int = NOW_S) -> bool:
    try:
        read_access_token(signing, token, now_s=now_s)
    except Unauthenticated:
        return False
    return True


def test_a_token_says_whose_and_which_sessions_it_is() -> None:
    token = make_access_token(SIGNING, user_id="ann", session_id=SESSION, now_s=NOW_S)
    claims = read_access_token(SIGNING, token, now_s=NOW_S)
    assert (claims.sub, claims.sid, claims.exp - claims.iat) == ("ann", SESSION, 900)
    assert make_access_token(SIGNING, user_id="ann", session_id=SESSION, now_s=NOW_S) != token, "jti"
    assert taken(forge()), "what the forgeries below differ from"


def mutations(token: str, chance: random.Random) -> str:
    """Return the token with one to three changes of any kind."""
    text = token
    for _ in range(chance.choice((1, 1, 1, 2, 3))):
        at = chance.randrange(len(text))
        char = chance.choice(ALPHABET + ".=+/ \n\x00é%")
        head, rest = text[:at], text[at:]
        parts = (text + "..").split(".")[:3]
        text = chance.choice(
            (
                head + char + rest[1:],
                head + char + rest[1:],
                text[:-1] + char,  # the last character has bits that no byte needs
                head + char + rest,
                head + rest[1:],
                head + rest[: chance.randrange(1, 4)] + rest,
                text[:at],
                text + char,
                char + text,
                head + rest.swapcase(),
                ".".join(chance.sample(parts, 3)),
                ".".join([*parts, chance.choice(parts)]),
                f"{parts[0]}={'.'.join(['', *parts[1:]])}",
                head + chr(ord(rest[0]) ^ 1 << chance.randrange(7)) + rest[1:],
            )
        )
        text = text or token[:-1]
    return text


def test_ten_thousand_mutated_tokens_none_taken() -> None:
    chance = random.Random(4_210)
    made = [make_access_token(SIGNING, user_id="ann", session_id=SESSION, now_s=NOW_S) for _ in range(10)]
    assert all(map(taken, made))
    mutated: set[str] = set()
    while len(mutated) < 10_000:
        mutated.add(mutations(chance.choice(made), chance))
        mutated -= set(made)
    assert [token for token in mutated if taken(token)] == []


def test_every_bit_and_every_spelling_of_the_signature_counts() -> None:
    token = forge()
    head, _, signature = token.rpartition(".")
    assert [t for c in ALPHABET if (t := token[:-1] + c) != token and taken(t)] == []
    raw = base64.urlsafe_b64decode(signature + "=")
    for bit in range(len(raw) * 8):
        changed = (int.from_bytes(raw, "big") ^ 1 << bit).to_bytes(len(raw), "big")
        assert not taken(f"{head}.{b64(changed)}")
    standard = signature.translate(str.maketrans("-_", "+/"))
    for spelling in (f"{signature}=", f"{signature}==", f" {signature}", f"{signature}\n", f"{signature}%3D"):
        assert not taken(f"{head}.{spelling}")
    assert standard == signature or not taken(f"{head}.{standard}")


FORGED: dict[str, Callable[[], str]] = {
    "alg none": lambda: forge(HEADER | {"alg": "none"}).rpartition(".")[0] + ".",
    "alg none signed": lambda: forge(HEADER | {"alg": "none"}),
    "alg None": lambda: forge(HEADER | {"alg": None}),
    "alg missing": lambda: forge({"kid": key_id(SECRET), "typ": "JWT"}),
    "alg hs256": lambda: forge(HEADER | {"alg": "hs256"}),
    "alg list": lambda: forge(HEADER | {"alg": ["HS256"]}),
    "HS384": lambda: forge(HEADER | {"alg": "HS384"}, algorithm=hashlib.sha384),
    "HS512": lambda: forge(HEADER | {"alg": "HS512"}, algorithm=hashlib.sha512),
    "RS256 signed as HS256": lambda: forge(HEADER | {"alg": "RS256"}),
    "another secret": lambda: forge(secret=OTHER),
    "empty secret": lambda: forge(secret=b""),
    "the kid as secret": lambda: forge(secret=key_id(SECRET)),
    "another kid": lambda: forge(HEADER | {"kid": key_id(OTHER)}),
    "another kid and secret": lambda: forge(HEADER | {"kid": key_id(OTHER)}, secret=OTHER),
    "no kid": lambda: forge({"alg": "HS256", "typ": "JWT"}),
    "kid of no string": lambda: forge(HEADER | {"kid": [key_id(SECRET)]}),
    "kid null": lambda: forge(HEADER | {"kid": None}),
    "typ missing": lambda: forge({"alg": "HS256", "kid": key_id(SECRET)}),
    "typ other": lambda: forge(HEADER | {"typ": "at+jwt"}),
    "crit": lambda: forge(HEADER | {"crit": ["exp"]}),
    "b64 false": lambda: forge(HEADER | {"b64": False, "crit": ["b64"]}),
    "crit b64": lambda: forge(HEADER | {"b64": True, "crit": ["b64"]}),
    "header a list": lambda: forge([HEADER]),
    "header no json": lambda: forge(b"{"),
    "header not utf-8": lambda: forge(b"\xff\xff"),
    "header deep": lambda: forge(b"[" * 3000),
    "claims a list": lambda: forge(claims=[CLAIMS]),
    "claims null": lambda: forge(claims=None),
    "claims empty": lambda: forge(claims=b""),
    "claims no json": lambda: forge(claims=b"{'sub': 1}"),
    "claims and more": lambda: forge(claims=json.dumps(CLAIMS).encode() + b"{}"),
    "nested": lambda: forge(claims=b64(json.dumps(CLAIMS).encode()).encode()),
    "issuer": lambda: forge(claims=CLAIMS | {"iss": "there"}),
    "audience": lambda: forge(claims=CLAIMS | {"aud": "them"}),
    "audience list": lambda: forge(claims=CLAIMS | {"aud": ["us", "them"]}),
    "sub empty": lambda: forge(claims=CLAIMS | {"sub": ""}),
    "sub path": lambda: forge(claims=CLAIMS | {"sub": "../ann"}),
    "sub number": lambda: forge(claims=CLAIMS | {"sub": 1}),
    "sid empty": lambda: forge(claims=CLAIMS | {"sid": ""}),
    "over": lambda: forge(claims=CLAIMS | {"exp": NOW_S}),
    "exp in text": lambda: forge(claims=CLAIMS | {"exp": str(NOW_S + 900)}),
    "exp true": lambda: forge(claims=CLAIMS | {"exp": True}),
    "exp infinite": lambda: forge(claims=json.dumps(CLAIMS | {"exp": float("inf")}).encode()),
    "exp null": lambda: forge(claims=CLAIMS | {"exp": None}),
    "not yet": lambda: forge(claims=CLAIMS | {"nbf": NOW_S + SKEW_S + 1}),
    "of the future": lambda: forge(claims=CLAIMS | {"iat": NOW_S + SKEW_S + 1}),
    "one part": lambda: forge().replace(".", ""),
    "two parts": lambda: forge().rpartition(".")[0],
    "four parts": lambda: forge() + ".e30",
    "five parts": lambda: forge() + ".e30.e30",
    "trailing newline": lambda: forge() + "\n",
    "trailing dot": lambda: forge() + ".",
    "quoted": lambda: f'"{forge()}"',
    "padded": lambda: ".".join(part + "=" * (-len(part) % 4) for part in forge().split(".")),
    "empty": lambda: "",
    "dots": lambda: "..",
    "long": lambda: forge(claims=CLAIMS | {"jti": "x" * 10_000}),
    "json form": lambda: json.dumps(
        dict(zip(("protected", "payload", "signature"), forge().split("."), strict=True))
    ),
    "not ascii": lambda: forge().replace("A", "А"),
}


@pytest.mark.parametrize("name", FORGED)
def test_a_forged_token_is_refused(name: str) -> None:
    assert not taken(FORGED[name]())


@pytest.mark.parametrize("claim", CLAIMS)
def test_a_token_without_a_claim_is_refused(claim: str) -> None:
    assert not taken(forge(claims={name: value for name, value in CLAIMS.items() if name != claim}))


def test_a_tokens_time_is_kept_to_the_second() -> None:
    token = make_access_token(SIGNING, user_id="ann", session_id=SESSION, now_s=NOW_S)
    assert ACCESS_TOKEN_S == 900
    assert taken(token, now_s=NOW_S + 899) and not taken(token, now_s=NOW_S + 900)
    assert taken(token, now_s=NOW_S - SKEW_S), "made by a machine whose clock is ahead"
    with pytest.raises(Unauthenticated) as refused:
        read_access_token(SIGNING, token, now_s=NOW_S + 900)
    assert refused.value.code == "token_expired"


def test_secrets_are_rotated_with_an_overlap() -> None:
    def signing(*secrets: str) -> Signing:
        return Signing(secrets=secrets, issuer="here", audience="us")

    def make(by: Signing) -> str:
        return make_access_token(by, user_id="ann", session_id=SESSION, now_s=NOW_S)

    old, both, new = signing(OTHER), signing(SECRET, OTHER), signing(SECRET)
    assert taken(make(old), signing=both) and taken(make(both), signing=both)
    assert taken(make(both), signing=new) and not taken(make(both), signing=old)
    assert not taken(make(old), signing=new)
    assert key_id(SECRET) != key_id(OTHER) and SECRET not in key_id(SECRET)


def test_a_refresh_token_names_user_and_session() -> None:
    for user_id in ("u-1", "ann.lee@example.org", "a.b.c", "x" * 64):
        token = new_refresh_token(user_id, SESSION)
        read = read_refresh_token(str(token))
        assert (read.user_id, read.session_id, read.secret) == (user_id, SESSION, token.secret)
        assert token.secret not in repr(token)
    assert new_refresh_token("ann", SESSION).secret != new_refresh_token("ann", SESSION).secret


@pytest.mark.parametrize(
    "text",
    [
        "",
        "..",
        "a.b.c",
        f"ann.{SESSION}.{'x' * 42}",
        f"ann.{SESSION}.{'x' * 44}",
        f"ann.{SESSION}.{'x' * 43}\n",
        f"ann.{SESSION}x.{'x' * 43}",
        f".{SESSION}.{'x' * 43}",
        f"../x.{SESSION}.{'x' * 43}",
        f"{SESSION}.{'x' * 43}",
    ],
    ids=lambda text: text.replace(SESSION, "session"),  # the same name in every process
)
def test_what_is_no_refresh_token_is_refused(text: str) -> None:
    with pytest.raises(Unauthenticated):
        read_refresh_token(text)


def test_session_ids_sort_by_time_and_differ() -> None:
    ids = [new_session_id(ms) for ms in (1, 255, 256, NOW_S * 1000, NOW_S * 1000 + 1)]
    assert ids == sorted(ids) and {len(each) for each in ids} == {44}
    assert new_session_id(1) != new_session_id(1)


def test_a_key_and_its_hash_are_256_bits() -> None:
    key = tokens.new_api_key()
    assert key.startswith("ck_") and len(base64.urlsafe_b64decode(key[3:] + "=")) == 32
    assert tokens.sha256_of(key) == hashlib.sha256(key.encode()).hexdigest()
