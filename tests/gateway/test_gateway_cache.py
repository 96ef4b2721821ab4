"""Kept answers: what may be kept by Cache-Control, how long, and how many."""

from chalicelib.model.gateway.gateway_routes import GatewayRoute
from chalicelib.stores import cache_entries
from chalicelib.stores.postgres.postgres import Database
from tests.gateway.counting import ALICE, BOB, PUBLIC, Counting, ask, value
from tests.support.databases import execute, rows

BIG = 256 * 1024 + 1


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
