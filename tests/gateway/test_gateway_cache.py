"""Kept answers: what may be kept by Cache-Control, for whom, how long, and what is never given to another."""

import itertools
from collections.abc import Iterator

import pytest
from msgspec.structs import replace

from chalicelib.model.gateway.gateway import Client, Headers, Identity, Inbound, UpstreamAnswer
from chalicelib.model.gateway.gateway_routes import GatewayRoute
from chalicelib.ops.gateway import forward
from chalicelib.stores import cache_entries
from chalicelib.stores.postgres.postgres import Database
from tests.conftest import execute, rows
from tests.support.upstreams import RawUpstream, answering, raw_upstream, service

ROUTE = GatewayRoute(upstream="product", prefix="/products", cache=True)
ALICE, BOB = (Identity(user_id=name, roles=("user",)) for name in ("alice", "bob"))
CLIENT = Client(address="192.0.2.7", host="api.example.com", scheme="https")
BIG = 256 * 1024 + 1


class Counting:
    """An upstream whose every answer is another: `1`, `2`, `3` and so on."""

    def __init__(self, upstream: RawUpstream) -> None:
        self.upstream = upstream
        self.there = service("product", upstream.url)
        self.says("Cache-Control: max-age=60")

    def says(self, *headers: str, status: str = "200 OK", body: bytes = b"") -> None:
        numbers = itertools.count(1)
        self.upstream.answer = lambda _: [answering(status, str(next(numbers)).encode() + body, *headers)]


@pytest.fixture
def counting() -> Iterator[Counting]:
    with raw_upstream() as upstream:
        yield Counting(upstream)


def ask(
    found: Counting,
    db: Database,
    who: Identity | None = ALICE,
    *headers: tuple[str, str],
    method: str = "GET",
    path: str = "/products/1",
    query: str = "",
    body: bytes = b"",
    client: Client = CLIENT,
    route: GatewayRoute = ROUTE,
) -> UpstreamAnswer:
    inbound = Inbound(
        method=method, path=path, query=query, headers=headers, body=body, client=client, request_id="r-1"
    )
    return forward(inbound, route, who, upstream=found.there, db=db, now_s=0.0)


def value(headers: Headers, name: str) -> str | None:
    return next((value for each, value in headers if each.lower() == name.lower()), None)


def test_a_fresh_answer_is_given_again_with_its_age(counting: Counting, db: Database, admin_url: str) -> None:
    counting.says(
        "Cache-Control: max-age=60", "Content-Type: text/x", "Age: 7", "X-A: 1", "X-A: 2", body=b"\x00\xff"
    )
    first, again = ask(counting, db), ask(counting, db)
    assert first.body == again.body == b"1\x00\xff"
    assert counting.upstream.connections == 1
    assert value(again.headers, "Age") in ("7", "8")
    assert [each for each in again.headers if each[0] != "Age"] == [
        each for each in first.headers if each[0] != "Age"
    ]
    execute(admin_url, "UPDATE cache_entries SET stored_at = stored_at - interval '30 s'")
    assert int(value(ask(counting, db).headers, "Age") or 0) >= 37
    execute(admin_url, "UPDATE cache_entries SET fresh_until = now()")
    assert ask(counting, db).body == b"2\x00\xff"


HOW_LONG = [
    (["Cache-Control: max-age=60"], 60),
    (["Cache-Control: max-age=60", "Age: 20"], 40),
    (["Cache-Control: s-maxage=30, max-age=60"], 30),
    (["Cache-Control: MAX-AGE=60 , Must-Revalidate"], 60),
    (['Cache-Control: max-age="60"'], 60),
    (["Cache-Control: max-age=99999999999"], 3600),
    (["Cache-Control: x=1", "Cache-Control: max-age=60"], 60),
]


def test_how_long(counting: Counting, db: Database, admin_url: str) -> None:
    for number, (headers, fresh_s) in enumerate(HOW_LONG):
        counting.says(*headers)
        ask(counting, db, path=f"/products/{number}")
        newest = "FROM cache_entries ORDER BY stored_at DESC LIMIT 1"
        kept = rows(admin_url, f"SELECT extract(epoch FROM fresh_until - stored_at)::int {newest}")
        assert kept == [(fresh_s,)], headers


NOT_KEPT = [
    [],
    ["Expires: Thu, 01 Jan 2099 00:00:00 GMT"],
    ["Cache-Control: no-store, max-age=60"],
    ["Cache-Control: no-cache, max-age=60"],
    ["Cache-Control: private, max-age=60"],
    ["Cache-Control: max-age=60", "Cache-Control: private"],
    ['Cache-Control: private="X-A", max-age=60'],
    ['Cache-Control: no-cache="Set-Cookie", max-age=60'],
    ["Cache-Control: public"],
    ["Cache-Control: max-age=0"],
    ["Cache-Control: max-age=60, s-maxage=0"],
    ["Cache-Control: max-age=-1"],
    ["Cache-Control: max-age=6x"],
    ["Cache-Control: max-age=60", "Age: 60"],
    ["Cache-Control: max-age=60", "Age: x"],
    ["Cache-Control: max-age=60", "Set-Cookie: a=1"],
    ["Cache-Control: public, max-age=60", "Set-Cookie: a=1"],
    ["Cache-Control: max-age=60", "Vary: *"],
    ["Cache-Control: max-age=60", "Vary: Accept, *"],
    ["Cache-Control: public, max-age=60", "Vary: X-Collections-Identity"],
    ["Cache-Control: public, max-age=60", "Vary: Accept, x-request-id"],
]
PUBLIC = "Cache-Control: public, max-age=60"


def test_what_is_not_kept(counting: Counting, db: Database, admin_url: str) -> None:
    for headers in NOT_KEPT:
        counting.says(*headers)
        assert [ask(counting, db).body for _ in range(2)] == [b"1", b"2"], headers
    for status in ("201 Made", "203 Odd", "206 Part", "301 Moved", "404 No", "500 Oops"):
        counting.says(PUBLIC, status=status)
        assert [ask(counting, db).body for _ in range(2)] == [b"1", b"2"], status
    counting.says(PUBLIC)
    for method in ("HEAD", "POST", "PUT"):
        before = counting.upstream.connections
        for _ in range(2):
            ask(counting, db, method=method)
        assert counting.upstream.connections == before + 2, method
    assert rows(admin_url, "SELECT 1 FROM cache_entries") == []


def test_large_answers_and_routes_that_do_not_say_so_are_not_kept(counting: Counting, db: Database) -> None:
    plain = GatewayRoute(upstream="product", prefix="/products")
    assert [ask(counting, db, route=plain).body for _ in range(2)] == [b"1", b"2"]
    counting.says("Cache-Control: max-age=60", body=b"a" * BIG)
    assert [ask(counting, db).body[:1] for _ in range(2)] == [b"1", b"2"]


REFUSING = [
    (("Cache-Control", "no-cache"), True),
    (("Cache-Control", "max-age=0"), True),
    (("Pragma", "no-cache"), True),
    (("Cache-Control", "no-store"), False),
    (("Range", "bytes=0-1"), False),
    (("If-None-Match", '"x"'), False),
    (("If-Modified-Since", "x"), False),
    (("Cache-Control", "max-age=<script>"), False),
    (("Cache-Control", "x-unknown"), False),
    (("Pragma", "<script>"), False),
]


def test_a_request_may_refuse_what_is_kept(counting: Counting, db: Database, admin_url: str) -> None:
    for number, (header, kept) in enumerate(REFUSING):
        counting.says("Cache-Control: max-age=60")
        path = f"/products/{number}"
        before = rows(admin_url, "SELECT count(*) FROM cache_entries")[0][0]
        assert ask(counting, db, ALICE, header, path=path).body == b"1"
        assert rows(admin_url, "SELECT count(*) FROM cache_entries") == [(before + kept,)], header
        assert ask(counting, db, path=path).body == (b"1" if kept else b"2"), header
        assert ask(counting, db, ALICE, header, path=path).body == (b"2" if kept else b"3"), header


def test_what_it_varies_by(counting: Counting, db: Database) -> None:
    counting.says("Cache-Control: max-age=60", "Vary: Accept-Language, x-absent")
    german, english = ("Accept-Language", "de"), ("accept-language", "en")
    assert ask(counting, db, ALICE, german).body == b"1"
    assert ask(counting, db, ALICE, english).body == b"2"
    assert ask(counting, db).body == b"3"
    assert ask(counting, db, ALICE, german, ("X-Absent", "here")).body == b"4"
    assert ask(counting, db, ALICE, german).body == b"1"
    assert ask(counting, db, ALICE, english).body == b"2"
    assert ask(counting, db).body == b"3"
    assert ask(counting, db, ALICE, ("Accept-Language", "de"), ("Accept-Language", "en")).body == b"5"


@pytest.mark.parametrize("directives", ["max-age=60", "public, max-age=60"])
def test_an_answer_to_a_get_with_a_body_is_nobodys(
    counting: Counting, db: Database, admin_url: str, directives: str
) -> None:
    counting.says(f"Cache-Control: {directives}")
    assert ask(counting, db, ALICE, body=b"<script>").body == b"1"
    assert counting.upstream.requests[0].endswith(b"<script>"), "it is handed on"
    assert rows(admin_url, "SELECT 1 FROM cache_entries") == []
    assert [ask(counting, db, who).body for who in (ALICE, ALICE)] == [b"2", b"2"]
    assert ask(counting, db, ALICE, body=b"<script>").body == b"3", "nor is it given what was kept"


def test_nobody_chooses_by_what_he_sends_what_others_get(counting: Counting, db: Database) -> None:
    """An upstream may put any of this into its answer without saying so in Vary."""
    counting.says("Cache-Control: public, max-age=60")
    evil = replace(CLIENT, host="evil.example")
    odd = [
        ("X-Theme", "<script>"),
        ("Accept", "text/evil"),
        ("Origin", "https://evil.example"),
        ("X-A_b", "evil"),
    ]
    poisoned = [ask(counting, db, ALICE, each).body for each in odd]
    poisoned += [ask(counting, db, ALICE, client=evil).body]
    poisoned += [ask(counting, db, ALICE, client=replace(CLIENT, scheme="http")).body]
    assert poisoned == [b"1", b"2", b"3", b"4", b"5", b"6"]
    assert ask(counting, db, BOB).body == b"7"
    assert ask(counting, db, BOB, odd[0]).body == b"1"


TOLD = [
    ("User-Agent", "evil"),
    ("Referer", "evil"),
    ("Sec-Fetch-Site", "evil"),
    ("Sec-CH-UA", "evil"),
    ("Via", "evil"),
]
TOLD += [
    ("X-Amzn-Trace-Id", "evil"),
    ("X-Amz-Cf-Id", "evil"),
    ("traceparent", "evil"),
    ("User_Agent", "evil"),
]


def test_what_tells_one_client_from_another_is_not_sent_where_answers_are_shared(
    counting: Counting, db: Database
) -> None:
    counting.says("Cache-Control: public, max-age=60")
    assert ask(counting, db, ALICE, *TOLD).body == b"1"
    assert b"evil" not in counting.upstream.requests[0] and b"192.0.2.7" not in counting.upstream.requests[0]
    assert ask(counting, db, BOB, client=replace(CLIENT, address="192.0.2.8")).body == b"1"
    ask(counting, db, ALICE, *TOLD, method="POST")
    assert (
        counting.upstream.requests[1].count(b"evil") == len(TOLD)
        and b"192.0.2.7" in counting.upstream.requests[1]
    )


def test_ones_own_answers_end_with_ones_roles(counting: Counting, db: Database) -> None:
    promoted = replace(ALICE, roles=("user", "admin"))
    assert [ask(counting, db, who).body for who in (promoted, ALICE, promoted)] == [b"1", b"2", b"1"]


def test_a_request_with_a_credential_has_no_part_in_the_cache(counting: Counting, db: Database) -> None:
    handed_on = replace(ROUTE, pass_authorization=True)
    counting.says("Cache-Control: public, max-age=60")
    for number, header in enumerate((("Cookie", "a=1"), ("Authorization", "Bearer x"), ("X-Api-Key", "x"))):
        path = f"/products/{number}"
        bodies = [ask(counting, db, who, *given, path=path, route=handed_on).body
                  for who, given in ((ALICE, [header]), (BOB, []), (ALICE, [header]), (BOB, []))]  # fmt: skip
        first = 3 * number + 1
        assert bodies == [str(n).encode() for n in (first, first + 1, first + 2, first + 1)], header


def test_another_path_or_query_is_another_answer(counting: Counting, db: Database) -> None:
    targets = [{}, {"query": "a=1"}, {"query": "a=1&"}, {"path": "/products/1/"}, {"path": "/products/%31"}]
    bodies = [ask(counting, db, **target).body for _ in range(2) for target in targets]
    assert bodies == [b"1", b"2", b"3", b"4", b"5"] * 2


def test_ones_own_answers_are_nobody_elses(counting: Counting, db: Database) -> None:
    assert ask(counting, db, ALICE).body == b"1"
    assert ask(counting, db, BOB).body == b"2"
    assert ask(counting, db, None).body == b"3"
    assert [ask(counting, db, who).body for who in (ALICE, BOB)] == [b"1", b"2"]
    assert ask(counting, db, None).body == b"4", "nobody has nothing of his own"


def test_what_is_public_is_everybodys(counting: Counting, db: Database) -> None:
    counting.says("Cache-Control: public, max-age=60")
    assert [ask(counting, db, who).body for who in (ALICE, BOB, None, ALICE)] == [b"1"] * 4


@pytest.mark.parametrize("directives", ["max-age=60", "public, max-age=60"])
def test_a_change_forgets_ones_own_answer_and_everybodys(
    counting: Counting, db: Database, directives: str
) -> None:
    counting.says(f"Cache-Control: {directives}")
    assert [ask(counting, db).body for _ in range(2)] == [b"1", b"1"]
    ask(counting, db, method="PUT")
    assert ask(counting, db).body == b"3"
    ask(counting, db, method="DELETE")
    assert ask(counting, db).body == b"5"
    counting.says(f"Cache-Control: {directives}", status="409 No")
    ask(counting, db, method="PUT")
    assert ask(counting, db).body == b"5", "what was refused changed nothing"


def test_the_database_itself_keeps_users_apart(counting: Counting, db: Database, admin_url: str) -> None:
    ask(counting, db, ALICE)
    counting.says("Cache-Control: public, max-age=60")
    ask(counting, db, ALICE, path="/products/2")
    count = "SELECT count(*) AS n FROM cache_entries"
    seen = {who: db.transact(who, lambda tx: tx.one(count)) for who in ("alice", "bob", "")}
    assert seen == {"alice": {"n": 2}, "bob": {"n": 1}, "": {"n": 1}}
    assert (
        db.transact("bob", lambda tx: tx.run("UPDATE cache_entries SET body = '' WHERE user_id = 'alice'"))
        == 0
    )
    assert rows(
        admin_url, "SELECT relrowsecurity, relforcerowsecurity FROM pg_class WHERE relname = 'cache_entries'"
    ) == [(True, True)]


def test_no_more_than_so_many_are_kept_of_one_user(counting: Counting, db: Database, admin_url: str) -> None:
    for number in range(cache_entries.MAX_ENTRIES + 20):
        ask(counting, db, query=f"n={number}")
    assert rows(admin_url, "SELECT count(*) FROM cache_entries") == [(cache_entries.MAX_ENTRIES,)]
    ask(counting, db, BOB)
    assert rows(admin_url, "SELECT count(*) FROM cache_entries") == [(cache_entries.MAX_ENTRIES + 1,)]


def test_the_stale_are_pruned(counting: Counting, db: Database, admin_url: str) -> None:
    for who in (ALICE, BOB):
        ask(counting, db, who)
    execute(admin_url, "UPDATE cache_entries SET fresh_until = now() WHERE user_id = 'alice'")
    assert db.transact_as_system(cache_entries.prune) == 1
    assert rows(admin_url, "SELECT user_id FROM cache_entries") == [("bob",)]


def test_without_its_database_the_gateway_goes_on(counting: Counting) -> None:
    away = Database("postgresql://collections_app@127.0.0.1:1/nowhere", max_size=1)
    assert [ask(counting, away).body for _ in range(2)] == [b"1", b"2"]


def test_what_was_kept_has_no_credentials(counting: Counting, db: Database, admin_url: str) -> None:
    counting.says("Cache-Control: max-age=60", "Vary: Authorization, X-Api-Key")
    credentials = (("Authorization", "Bearer hunter2"), ("X-Api-Key", "hunter2"))
    ask(counting, db, ALICE, *credentials)
    [(kept,)] = rows(admin_url, "SELECT to_jsonb(e)::text FROM cache_entries e")
    assert "hunter2" not in kept
    assert b"hunter2" not in counting.upstream.requests[0]
    execute(admin_url, "DELETE FROM cache_entries")
    handed_on = replace(ROUTE, pass_authorization=True)
    ask(counting, db, ALICE, *credentials, route=handed_on)
    counting.says("Cache-Control: max-age=60", "Vary: Cookie")
    ask(counting, db, ALICE, ("Cookie", "session=hunter2"))
    assert b"hunter2" in counting.upstream.requests[1] and b"hunter2" in counting.upstream.requests[2]
    assert rows(admin_url, "SELECT * FROM cache_entries") == []


def test_a_header_in_another_spelling_poisons_no_answer_of_everybodys(
    counting: Counting, db: Database
) -> None:
    """To a WSGI server Accept_Language is Accept-Language."""
    counting.says("Cache-Control: public, max-age=60", "Vary: Accept-Language")
    assert ask(counting, db, ALICE, ("Accept_Language", "tlh")).body == b"1"
    assert ask(counting, db, BOB).body == b"2"
