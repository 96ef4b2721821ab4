"""Guessing a password is throttled, and locks nobody out where they are signed in."""

import json

import app
from tests.support.people import PASSWORD, People
from tests.support.sample_api import rest_event


def test_guessing_a_password_is_throttled_whether_there_is_an_account_or_not(people: People) -> None:
    people.register("ann@example.org")
    people.set(RATE_LIMITS='{"account": "3/1h 3/1h", "login": "900/1m 9000/1h"}')
    guesses = [people.log_in("ann@example.org", f"a wrong password {n}").status for n in range(5)]
    assert guesses == [401, 401, 401, 429, 429]
    reply = people.log_in("ANN@example.org")
    assert (reply.status, reply.code) == (429, "rate_limited") and int(reply.headers["Retry-After"]) > 0
    unknown = [people.log_in("nobody@example.org").status for _ in range(5)]
    assert unknown == guesses, "whether there is such an account is not told"
    assert people.log_in("bob@example.org").status == 401


def log_in_from(address: str, password: str) -> int:
    event = rest_event(
        "POST", "/api/v1/sessions", body=json.dumps({"email": "ann@example.org", "password": password})
    )
    event["requestContext"]["identity"] = {"sourceIp": address}
    event["headers"]["Content-Type"] = "application/json"
    status: int = app.app(event, None)["statusCode"]
    return status


def test_guessing_from_elsewhere_locks_nobody_out_where_they_are_signed_in(people: People) -> None:
    people.register("ann@example.org")
    assert log_in_from("2001:db8::1", PASSWORD) == 201
    people.set(RATE_LIMITS='{"account": "3/2h 3/2h", "login": "900/1m 9000/1h"}')
    guesses = [log_in_from(f"203.0.113.{n}", "a wrong password") for n in range(5)]
    assert guesses == [401, 401, 401, 429, 429]
    assert log_in_from("203.0.113.9", PASSWORD) == 429
    at_home = [
        log_in_from("2001:db8::2", password) for password in (PASSWORD, "wrong once", "wrong twice", PASSWORD)
    ]
    assert at_home == [201, 401, 401, 429], "guessing is limited there, too"


def test_another_spelling_of_an_address_is_no_way_round_the_throttle(people: People) -> None:
    """Postgres makes "i" of the Turkish capital, Python makes two characters of it."""
    people.register("admin@example.org")
    for email in ("adm\u0130n@example.org", "admin@example.org\n", "admin@\u212aample.org"):
        assert people.log_in(email).status == 400


def test_guessing_with_many_addresses_from_one_place_is_throttled(people: People) -> None:
    people.set(RATE_LIMITS='{"login": "3/1h 3/1h"}')
    assert [people.log_in(f"ann{n}@example.org").status for n in range(5)] == [401, 401, 401, 429, 429]
    assert people.register("bob@example.org").status == 429, "registering is asking who is there as well"
    assert people("GET", "/api/v1/registration").status == 200


def test_guessing_the_current_password_is_guessing_as_well(people: People) -> None:
    people.set(RATE_LIMITS='{"account": "3/1h 3/1h", "login": "900/1m 9000/1h"}')
    token = people.join("ann@example.org")["access_token"]
    change = {"password": "an altogether new one", "current_password": "a wrong password"}
    statuses = [people("PATCH", "/api/v1/me", change, token=token).status for _ in range(6)]
    assert statuses == [400] * 5 + [429], "three count for this place; of the account's, one was the login"
    assert people.log_in("ann@example.org").status == 429
