"""Kept answers: whose they are, and what is never given to another."""

import pytest
from msgspec.structs import replace

from chalicelib.stores.postgres.postgres import Database
from tests.gateway.counting import ALICE, BOB, CLIENT, ROUTE, Counting, ask
from tests.support.databases import execute, rows


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
        counting.upstream.requests[1].count(b"evil") == len(TOLD) - 1  # traceparent is replaced by our own
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
