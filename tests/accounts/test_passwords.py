"""Passwords: how they are checked and changed."""

import threading
from concurrent.futures import ThreadPoolExecutor
from time import monotonic, time, time_ns
from typing import Any

import pytest

from chalicelib import wiring
from chalicelib.errors import Conflict, InvalidInput, Unauthenticated, Unavailable
from chalicelib.model.accounts import passwords
from chalicelib.model.accounts.sessions import Device, Session
from chalicelib.ops.accounts import accounts, sessions
from chalicelib.stores.accounts.sessions import Sessions
from chalicelib.stores.aws.dynamodb import Presence
from tests.support.people import PASSWORD, Act, People, SomebodyWrites


def test_a_wrong_password_an_unknown_address_and_a_disabled_account_are_answered_alike(
    people: People,
) -> None:
    people.register("ann@example.org")
    people.register("eve@example.org")
    people.world.sql("UPDATE accounts SET disabled_at = now() WHERE email = 'eve@example.org'")
    answers = [
        people.log_in("ann@example.org", "a wrong password"),
        people.log_in("nobody@example.org"),
        people.log_in("eve@example.org"),
    ]
    assert {answer.status for answer in answers} == {401}
    assert len({answer.body["detail"] + answer.code for answer in answers}) == 1
    assert people.sessions() == []


def test_an_unknown_address_is_checked_against_a_hash_like_anybodys(
    people: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A hash nobody can read makes the login fail, so that it is read; and it costs what a new one costs."""
    from argon2 import extract_parameters

    people.hash_as_deployed()
    new = passwords.hash_password(PASSWORD)
    assert extract_parameters(passwords.NOBODYS_HASH) == extract_parameters(new)
    assert "m=19456,t=2,p=1" in new
    monkeypatch.setattr(passwords, "NOBODYS_HASH", "unreadable")
    assert people.log_in("nobody@example.org").status == 500


def test_nobodys_password_opens_nothing(people: People, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passwords, "NOBODYS_HASH", passwords.hash_password(PASSWORD))
    assert passwords.matches(passwords.NOBODYS_HASH, PASSWORD) and not passwords.matches(None, PASSWORD)
    assert people.log_in("nobody@example.org").status == 401


def test_a_hash_of_other_parameters_is_renewed_at_the_next_login(people: People) -> None:
    from argon2 import PasswordHasher

    people.hash_as_deployed()
    people.register("ann@example.org")
    old = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(PASSWORD)
    people.world.sql(f"UPDATE accounts SET password_hash = '{old}'")
    assert people.log_in("ann@example.org", "a wrong password").status == 401
    assert people.world.sql("SELECT password_hash FROM accounts") == [(old,)]
    assert people.log_in("ann@example.org").status == 201
    ((new,),) = people.world.sql("SELECT password_hash FROM accounts")
    assert new != old and not passwords.is_outdated(new, PASSWORD)
    assert people.log_in("ann@example.org").status == 201


def test_a_password_is_the_same_however_its_letters_and_spaces_are_typed(people: People) -> None:
    composed, decomposed = "pässwörd éüâ ñ", "pa\u0308sswo\u0308rd e\u0301u\u0308a\u0302 n\u0303"
    assert people.register("ann@example.org", composed).status == 202
    assert people.log_in("ann@example.org", decomposed).status == 201
    assert people.log_in("ann@example.org", composed.replace(" ", "\u00a0")).status == 201
    assert people.log_in("ann@example.org", composed.upper()).status == 401
    token = people.log_in("ann@example.org", composed).body["access_token"]
    change = {"password": "an altogether new one", "current_password": decomposed}
    assert people("PATCH", "/api/v1/me", change, token=token).status == 200


def test_a_hash_made_before_passwords_were_normalised_is_good_and_is_renewed(people: People) -> None:
    from argon2 import PasswordHasher

    people.register("ann@example.org")
    typed = "pa\u0308sswo\u0308rd as it was typed"
    old = PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1).hash(typed)
    people.world.sql(f"UPDATE accounts SET password_hash = '{old}'")
    assert people.log_in("ann@example.org", typed + "!").status == 401
    assert people.world.sql("SELECT password_hash FROM accounts") == [(old,)]
    assert people.log_in("ann@example.org", typed).status == 201
    ((new,),) = people.world.sql("SELECT password_hash FROM accounts")
    assert new != old
    assert people.log_in("ann@example.org", "pässwörd as it was typed").status == 201
    assert people.log_in("ann@example.org", typed).status == 201
    assert people.world.sql("SELECT password_hash FROM accounts") == [(new,)]


def test_a_password_from_before_with_a_character_that_is_refused_now_is_still_good(people: People) -> None:
    from argon2 import PasswordHasher

    people.hash_as_deployed()
    people.register("ann@example.org")
    typed = "a family \U0001f468\u200d\U0001f469 and more"
    old = PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1).hash(typed)
    people.world.sql(f"UPDATE accounts SET password_hash = '{old}'")
    assert people.log_in("ann@example.org", typed).status == 201
    assert people.world.sql("SELECT password_hash FROM accounts") == [(old,)]


@pytest.mark.parametrize(
    ("password", "says"),
    [
        ("e\u0301" * 9, "at least 10 characters"),
        ("", "at least 10 characters"),
        ("é" * 513, "at most 1024 bytes"),
        ("e\u0301" * 513, "at most 1024 bytes"),
        ("a tab \t in the middle", "U+0009"),
        ("a bell \u0007 in the middle", "U+0007"),
        ("a joiner \u200d in the middle", "U+200D"),
    ],
)
def test_a_new_password_is_looked_at_once_it_is_normalised(people: People, password: str, says: str) -> None:
    reply = people.register("ann@example.org", password)
    assert (reply.status, reply.body["field"]) == (400, "password")
    assert says in reply.body["detail"]


def test_how_long_a_password_is_counts_after_it_is_normalised(people: People) -> None:
    fits = "\u03b1\u0313\u0301\u0345" * 341  # 1,364 characters typed make 341, of three bytes each
    assert people.register("ann@example.org", fits).status == 202
    assert people.log_in("ann@example.org", fits).status == 201


def test_a_new_password_ends_all_other_sessions(people: People) -> None:
    here, there = people.join("ann@example.org"), people.log_in("ann@example.org").body
    change = {"password": "an altogether new one", "current_password": PASSWORD}
    assert people("PATCH", "/api/v1/me", change, token=here["access_token"]).status == 200
    assert people.me(here["access_token"]).status == 200
    assert people.refresh(here["refresh_token"]).status == 200
    assert people.me(there["access_token"]).status == 401
    assert people.refresh(there["refresh_token"]).status == 401
    assert people.log_in("ann@example.org").status == 401
    assert people.log_in("ann@example.org", "an altogether new one").status == 201


def test_without_dynamodb_the_password_stays_as_it_was(people: People) -> None:
    user_id = people.me(people.join("ann@example.org")["access_token"]).body["id"]
    away = Sessions(people.world.aws.client("dynamodb"), table="gone", presence=Presence(monotonic))
    kept: dict[str, Any] = {"db": wiring.database(), "sessions": away, "session_id": None}
    with pytest.raises(Unavailable):
        accounts.change_password(
            user_id, current=PASSWORD, new="an altogether new one", now_s=int(time()), **kept
        )
    assert people.log_in("ann@example.org").status == 201


class Meddled:
    """The sessions, with something that happens just before or after one is put there."""

    def __init__(self, sessions: Sessions, *, before: Act = lambda: None, after: Act = lambda: None) -> None:
        self._sessions, self._before, self._after = sessions, before, after

    def insert(self, session: Session) -> None:
        self._before()
        self._sessions.insert(session)
        self._after()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._sessions, name)


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_login_under_way_does_not_survive_a_new_password(people: People, when: str) -> None:
    here = people.join("ann@example.org")
    change = {"password": "an altogether new one", "current_password": PASSWORD}

    def meanwhile() -> None:
        assert people("PATCH", "/api/v1/me", change, token=here["access_token"]).status == 200

    kept: dict[str, Any] = {"db": wiring.database(), "signing": wiring.signing()}
    kept["sessions"] = Meddled(wiring.sessions(), **{when: meanwhile})
    device = Device(user_agent="", address="")
    with pytest.raises(Unauthenticated):
        sessions.log_in("ann@example.org", PASSWORD, device=device, now_ms=time_ns() // 1_000_000, **kept)
    assert [each["id"]["S"] for each in people.sessions()] == [here["session_id"]]


def test_a_login_just_before_a_new_password_does_not_survive_it(people: People) -> None:
    here = people.join("ann@example.org")
    user_id = people.me(here["access_token"]).body["id"]
    begun: list[str] = []
    db = SomebodyWrites(
        wiring.database(), lambda: begun.append(people.log_in("ann@example.org").body["access_token"])
    )
    kept: dict[str, Any] = {"sessions": wiring.sessions(), "session_id": here["session_id"], "db": db}
    new = "an altogether new one"
    accounts.change_password(user_id, current=PASSWORD, new=new, now_s=int(time()), **kept)
    assert [people.me(token).status for token in (*begun, here["access_token"])] == [401, 200]


def test_a_login_goes_on_when_another_one_has_hashed_the_password_anew(people: People) -> None:
    people.register("ann@example.org")
    again = passwords.hash_password(PASSWORD)
    rehash = Meddled(
        wiring.sessions(),
        before=lambda: people.world.sql(f"UPDATE accounts SET password_hash = '{again}'"),
    )
    kept: dict[str, Any] = {"db": wiring.database(), "signing": wiring.signing(), "sessions": rehash}
    device = Device(user_agent="", address="")
    found = sessions.log_in("ann@example.org", PASSWORD, device=device, now_ms=time_ns() // 1_000_000, **kept)
    assert people.me(found.access_token).status == 200


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"password": "an altogether new one"}, "current_password"),
        ({"password": "an altogether new one", "current_password": "a wrong password"}, "current_password"),
        ({"password": "short", "current_password": PASSWORD}, "password"),
        ({"password": "ann@example.org", "current_password": PASSWORD}, "password"),
    ],
)
def test_a_password_is_not_changed_without_the_current_one_nor_to_a_bad_one(
    people: People, change: dict[str, str], field: str
) -> None:
    here, there = people.join("ann@example.org"), people.log_in("ann@example.org").body
    reply = people("PATCH", "/api/v1/me", change, token=here["access_token"])
    assert (reply.status, reply.body["field"]) == (400, field)
    assert people.me(there["access_token"]).status == 200
    assert people.log_in("ann@example.org").status == 201


def test_of_four_new_passwords_at_once_one_wins(people: People) -> None:
    people.join("ann@example.org")
    ((user_id,),) = people.world.sql("SELECT user_id FROM accounts")
    barrier = threading.Barrier(4)
    kept: dict[str, Any] = {"db": wiring.database(), "sessions": wiring.sessions(), "session_id": None}

    def change(number: int) -> bool:
        barrier.wait()
        try:
            accounts.change_password(
                user_id, current=PASSWORD, new=f"an altogether new one {number}", now_s=int(time()), **kept
            )
        except (Conflict, InvalidInput):
            return False
        return True

    with ThreadPoolExecutor(4) as threads:
        won = [number for number, took in enumerate(threads.map(change, range(4))) if took]
    assert len(won) == 1
    assert people.log_in("ann@example.org", f"an altogether new one {won[0]}").status == 201
