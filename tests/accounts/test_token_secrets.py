"""Secrets are rotated with an overlap; forged tokens over HTTP."""

import base64
import json

from tests.support.forged_tokens import SECRET, SESSION, forge
from tests.support.people import People


def test_forged_tokens_over_http(people: People) -> None:
    """The whole way, with the app's real secret."""
    good = people.join("ann@example.org")["access_token"]
    assert people.me(good).status == 200
    header, claims = (json.loads(base64.urlsafe_b64decode(part + "==")) for part in good.split(".")[:2])
    secret = "of-the-tests-and-known-to-everybody"
    assert people.me(forge(header, claims, secret=secret)).status == 200
    for forged in (
        forge(header, claims | {"sub": "bob"}, secret=secret),
        forge(header, claims | {"sid": SESSION}, secret=secret),
        forge(header, claims | {"iss": "collections-production"}, secret=secret),
        forge(header | {"alg": "none"}, claims, secret=secret),
        forge(header, claims, secret=SECRET),
        good[:-1],
        good + "A",
    ):
        reply = people.me(forged)
        assert (reply.status, reply.body["title"]) == (401, "Unauthorized")


def test_the_apps_secret_is_rotated_with_an_overlap(people: People) -> None:
    token = people.join("ann@example.org")["access_token"]
    old, new = "of-the-tests-and-known-to-everybody", "another-one-of-the-tests-for-everybody"
    people.set(SESSION_SECRET=new, SESSION_SECRET_PREVIOUS=old)
    assert people.me(token).status == 200
    later = people.log_in("ann@example.org").body["access_token"]
    people.set(SESSION_SECRET_PREVIOUS=None)
    assert people.me(token).status == 401
    assert people.me(later).status == 200


def test_with_an_anonymous_user_a_secret_may_be_missing(people: People) -> None:
    people.set(ENVIRONMENT="local", ANONYMOUS_USER="demo", SESSION_SECRET=None)
    assert people.me().status == 200
    people.register("ann@example.org")
    reply = people.log_in("ann@example.org")
    assert (reply.status, reply.code) == (503, "no_session_secret")
    assert people.me(forge()).status == 503
