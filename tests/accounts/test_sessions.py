"""Sessions: signed in until signed out, refreshed once by each token, ended at once, each user's own."""

import threading
from concurrent.futures import ThreadPoolExecutor
from time import time

from chalicelib import wiring
from chalicelib.errors import Unauthenticated
from chalicelib.model.accounts.sessions import SESSION_S
from chalicelib.model.accounts.tokens import make_access_token, new_refresh_token, new_session_id, sha256_of
from chalicelib.ops.accounts import sessions
from tests.support.people import PASSWORD, People


def expire(people: People, *, ago_s: int = 1) -> None:
    """Every session ended so long ago, and DynamoDB has not deleted it yet."""
    for item in people.sessions():
        item["expires_at"] = {"N": str(int(time()) - ago_s)}
        people.world.aws.client("dynamodb").put_item(TableName=wiring.settings().sessions_table, Item=item)


def ids(people: People, token: str, query: str = "") -> list[str]:
    return [each["id"] for each in people("GET", f"/api/v1/sessions{query}", token=token).body["data"]]


def test_sign_in_answers_tokens_and_keeps_only_their_hash(people: People) -> None:
    people.register("ann@example.org")
    reply = people.log_in("ann@example.org", User_Agent="phone/1")
    tokens = reply.body
    assert (reply.status, tokens["token_type"], tokens["expires_in"]) == (201, "Bearer", 900)
    assert reply.headers["Cache-Control"] == "no-store"
    (row,) = people.sessions()
    assert row["refresh_sha256"]["S"] == sha256_of(tokens["refresh_token"].rpartition(".")[2])
    assert tokens["refresh_token"].rpartition(".")[2] not in str(row)
    assert int(row["expires_at"]["N"]) - int(row["created_at"]["N"]) == SESSION_S
    (listed,) = people("GET", "/api/v1/sessions", token=tokens["access_token"]).body["data"]
    assert (listed["current"], listed["user_agent"], listed["address"]) == (True, "phone/1", "127.0.0.1")
    ttl = people.world.aws.client("dynamodb").describe_time_to_live(
        TableName=wiring.settings().sessions_table
    )
    assert ttl["TimeToLiveDescription"]["AttributeName"] == "expires_at"


def test_sessions_are_listed_newest_first_page_by_page(people: People) -> None:
    people.register("ann@example.org")
    tokens = [people.log_in("ann@example.org").body for _ in range(5)]
    newest = [each["session_id"] for each in reversed(tokens)]
    token = tokens[0]["access_token"]
    assert ids(people, token) == newest
    seen, cursor = [], ""
    while True:
        page = people("GET", f"/api/v1/sessions?limit=2{cursor}", token=token).body
        seen += [each["id"] for each in page["data"]]
        assert [each["current"] for each in page["data"]] == [
            each["id"] == tokens[0]["session_id"] for each in page["data"]
        ]
        if not page["has_more"]:
            break
        cursor = f"&after={page['next']}"
    assert seen == newest
    assert people("GET", "/api/v1/sessions?after=x", token=token).body["field"] == "after"


def test_logout_acts_at_once_and_on_this_session_only(people: People) -> None:
    here, there = people.join("ann@example.org"), people.log_in("ann@example.org").body
    assert people("DELETE", "/api/v1/sessions/current", token=here["access_token"]).status == 204
    reply = people.me(here["access_token"])
    assert (reply.status, reply.code) == (401, "session_over")
    assert people.refresh(here["refresh_token"]).status == 401
    assert people("DELETE", "/api/v1/sessions/current", token=here["access_token"]).status == 401
    assert ids(people, there["access_token"]) == [there["session_id"]]


def test_signing_out_everywhere_ends_ones_own_sessions_only(people: People) -> None:
    mine = [people.join("ann@example.org"), *(people.log_in("ann@example.org").body for _ in range(2))]
    bobs = people.join("bob@example.org")
    assert people("DELETE", "/api/v1/sessions", token=mine[0]["access_token"]).status == 204
    assert {people.me(each["access_token"]).status for each in mine} == {401}
    assert {people.refresh(each["refresh_token"]).status for each in mine} == {401}
    assert ids(people, bobs["access_token"]) == [bobs["session_id"]]
    assert people.refresh(bobs["refresh_token"]).status == 200


def test_a_refresh_gives_new_tokens_and_the_session_goes_on(people: People) -> None:
    first = people.join("ann@example.org")
    second = people.refresh(first["refresh_token"])
    assert (second.status, second.body["session_id"]) == (200, first["session_id"])
    assert second.body["refresh_token"] != first["refresh_token"]
    assert people.me(second.body["access_token"]).status == 200
    assert people.me(first["access_token"]).status == 200, "good for its 15 minutes"
    assert people.refresh(second.body["refresh_token"]).status == 200


def test_a_refresh_token_used_twice_ends_the_session(people: People) -> None:
    first = people.join("ann@example.org")
    second = people.refresh(first["refresh_token"]).body
    third = people.refresh(second["refresh_token"]).body
    other = people.log_in("ann@example.org").body
    assert people.refresh(first["refresh_token"]).status == 401
    assert {people.me(each["access_token"]).status for each in (first, second, third)} == {401}
    assert {people.refresh(each["refresh_token"]).status for each in (first, second, third)} == {401}
    assert people.me(other["access_token"]).status == 200
    assert [each["id"]["S"] for each in people.sessions()] == [other["session_id"]]


def test_of_eight_refreshes_at_once_one_wins(people: People) -> None:
    token = people.join("ann@example.org")["refresh_token"]
    barrier = threading.Barrier(8)
    kept = {"db": wiring.database(), "sessions": wiring.sessions(), "signing": wiring.signing()}

    def refresh(_: int) -> sessions.Tokens | None:
        barrier.wait()
        try:
            return sessions.refresh(token, now_s=int(time()), **kept)
        except Unauthenticated:
            return None

    with ThreadPoolExecutor(8) as threads:
        won = [tokens for tokens in threads.map(refresh, range(8)) if tokens]
    assert len(won) == 1
    assert people.refresh(won[0].refresh_token).status == 401, "the other seven were reuses"
    assert people.me(won[0].access_token).status == 401
    assert people.sessions() == []


def test_a_row_that_is_over_and_still_there_counts_for_nothing(people: People) -> None:
    tokens, user = people.join("ann@example.org"), people.sessions()[0]["user_id"]["S"]
    expire(people, ago_s=0)
    reply = people.me(tokens["access_token"])
    assert (reply.status, reply.code) == (401, "session_over")
    assert people.refresh(tokens["refresh_token"]).status == 401
    assert people.refresh(tokens["refresh_token"][:-1] + "A").status == 401
    fresh = people.log_in("ann@example.org").body
    assert ids(people, fresh["access_token"]) == [fresh["session_id"]]
    assert {each["user_id"]["S"] for each in people.sessions()} == {user}
    assert len(people.sessions()) == 2


def test_another_users_session_is_as_missing_as_what_never_was(people: People) -> None:
    ann, bob = people.join("ann@example.org"), people.join("bob@example.org")
    bob_id = people.me(bob["access_token"]).body["id"]
    now_s = int(time())
    # Signed by us, so that only the rows are left to tell.
    crossed = make_access_token(wiring.signing(), user_id=bob_id, session_id=ann["session_id"], now_s=now_s)
    never = make_access_token(
        wiring.signing(), user_id=bob_id, session_id=new_session_id(now_s * 1000), now_s=now_s
    )
    crossed_refresh = f"{bob_id}.{ann['session_id']}.{ann['refresh_token'].rpartition('.')[2]}"
    never_refresh = str(new_refresh_token(bob_id, new_session_id(now_s * 1000)))
    for theirs, missing in [
        (people.me(crossed), people.me(never)),
        (people.refresh(crossed_refresh), people.refresh(never_refresh)),
    ]:
        assert theirs.status == missing.status == 401
        assert {**theirs.body, "request_id": ""} == {**missing.body, "request_id": ""}
    assert ids(people, bob["access_token"], f"?after={ann['session_id']}") in ([], [bob["session_id"]])
    assert people.me(ann["access_token"]).status == people.me(bob["access_token"]).status == 200
    assert people.refresh(ann["refresh_token"]).status == 200


def test_a_guess_at_anothers_refresh_token_needs_his_sessions_id(people: People) -> None:
    ann = people.join("ann@example.org")
    ann_id = people.me(ann["access_token"]).body["id"]
    assert people.refresh(f"{ann_id}.{new_session_id(1)}.{'x' * 43}").status == 401
    assert people.refresh(f"nobody.{ann['session_id']}.{'x' * 43}").status == 401
    assert people.me(ann["access_token"]).status == 200


def test_a_role_and_a_plan_count_at_once(people: People) -> None:
    token = people.join("ann@example.org")["access_token"]
    assert people("GET", "/api/v1/failures", token=token).status == 403
    people.world.sql("UPDATE accounts SET plan = 'team', role = 'admin'")
    reply = people.me(token)
    assert (reply.body["role"], reply.body["plan"]) == ("admin", "team")
    assert people("GET", "/api/v1/failures", token=token).status == 200
    people.world.sql("UPDATE accounts SET role = 'user'")
    assert people("GET", "/api/v1/failures", token=token).status == 403


def test_a_disabled_account_is_out_at_once(people: People) -> None:
    tokens, bob = people.join("ann@example.org"), people.join("bob@example.org")
    people.world.sql("UPDATE accounts SET disabled_at = now() WHERE email = 'ann@example.org'")
    reply = people.me(tokens["access_token"])
    assert (reply.status, reply.code) == (401, "session_over")
    assert people("DELETE", "/api/v1/sessions", token=tokens["access_token"]).status == 401
    assert people.refresh(tokens["refresh_token"]).status == 401
    assert people.me(bob["access_token"]).status == 200
    people.world.sql("DELETE FROM users WHERE id LIKE 'u-%'")
    assert people.me(bob["access_token"]).status == 401, "nor is one that is gone"
    people.world.sql("DELETE FROM users")
    assert people.refresh(tokens["refresh_token"]).status == 401


def test_who_has_no_session_cannot_end_one(people: People) -> None:
    people.join("ann@example.org")
    people.set(ANONYMOUS_USER="demo")
    reply = people("DELETE", "/api/v1/sessions/current")
    assert (reply.status, reply.code) == (404, "no_session")
    assert people("GET", "/api/v1/sessions").body["data"] == []
    assert people("DELETE", "/api/v1/sessions").status == 204
    assert len(people.sessions()) == 1


def test_login_takes_the_words_it_is_given(people: People) -> None:
    people.register("ann@example.org")
    for body, field in [
        ({"email": "ann@example.org"}, "password"),
        ({"email": "ann@example.org", "password": PASSWORD, "remember": True}, "remember"),
        ({"email": "ann@example.org", "password": "x" * 4097}, "password"),
        ({"email": 1, "password": PASSWORD}, "email"),
    ]:
        reply = people("POST", "/api/v1/sessions", body)
        assert (reply.status, reply.body["field"]) == (400, field)
