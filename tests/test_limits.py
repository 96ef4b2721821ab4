"""Limits: GCRA's arithmetic over any schedule, who is held to what, and what the edge answers."""

import json
import random
import time
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from chalicelib import wiring
from chalicelib.api import limits
from chalicelib.api.entry import App
from chalicelib.api.http import Caller, Edge, Request, Routes
from chalicelib.api.openapi import document
from chalicelib.errors import Unauthenticated
from chalicelib.model.limits import (
    MICROSECONDS,
    Admission,
    Limit,
    account_limits,
    address_key,
    address_limits,
    admitted,
    caller_limits,
    judge,
)
from chalicelib.settings import InvalidSetting, Settings
from local.base import create_tables
from local.places import aws_environment
from tests.local_stack.emulated import Emulated, emulated_aws
from tests.tcp_proxy import tcp_proxy

RATES = {
    "address": ((4, 2), (40, 60)),
    "login": ((3, 60), (9, 3600)),
    "account": ((2, 60), (8, 3600)),
    "user.free": ((5, 1), (50, 60)),
    "user.team": ((50, 1), (500, 60)),
    "costly.free": ((2, 10), (6, 60)),
    "costly.team": ((20, 10), (60, 60)),
}
NOW = 1_790_000_000 * MICROSECONDS


class Bucket:
    """The limits over TATs kept here."""

    def __init__(self, *limits: Limit) -> None:
        self.limits = limits
        self.tats: dict[str, int] = {}

    def take(self, now_us: int) -> Admission:
        refusal = judge(self.limits, self.tats, now_us)
        if refusal:
            return refusal
        self.tats = {
            limit.counter: limit.next_tat_us(self.tats.get(limit.counter, 0), now_us) for limit in self.limits
        }
        return admitted(self.limits, self.tats, now_us)


def limit(quota: int, window_s: int, name: str = "x") -> Limit:
    return Limit(name=name, quota=quota, window_s=window_s)


def schedule(rng: random.Random, requests: int) -> Iterator[int]:
    """Times of requests: at once, a bit later, after a rest."""
    now_us = NOW
    for _ in range(requests):
        now_us += rng.choice((0, 0, rng.randrange(1, 200_000), rng.randrange(1, 3 * MICROSECONDS)))
        yield now_us


def test_a_limit_is_never_faster_than_declared() -> None:
    for quota in range(1, 200):
        assert 0 <= limit(quota, 1).interval_us * quota - MICROSECONDS < quota


@pytest.mark.parametrize("seed", range(20))
def test_no_window_has_more_than_the_burst_and_the_rate_and_none_is_wasted(seed: int) -> None:
    rng = random.Random(seed)
    one = limit(rng.randrange(1, 12), rng.randrange(1, 6))
    bucket = Bucket(one)
    taken = [now for now in schedule(rng, 200) if bucket.take(now).admitted]
    for first, start in enumerate(taken):
        for last in range(first, len(taken)):
            assert last - first + 1 <= one.quota + (taken[last] - start) / one.interval_us
    # Asked without end, the bucket gives all of it: the bound above is not kept by stinginess.
    bucket = Bucket(one)
    grains = range(NOW, NOW + 10 * MICROSECONDS, 10_000)
    took = sum(bucket.take(now).admitted for now in grains for _ in range(one.quota))
    assert took == one.quota + (grains[-1] - NOW) // one.interval_us


@pytest.mark.parametrize("seed", range(20))
def test_a_refusal_uses_nothing_up_and_says_exactly_when_to_come_again(seed: int) -> None:
    rng = random.Random(seed)
    bucket = Bucket(limit(rng.randrange(1, 9), 2, "burst"), limit(rng.randrange(5, 30), 40, "sustained"))
    refused = 0
    for now in schedule(rng, 300):
        before = dict(bucket.tats)
        answer = bucket.take(now)
        if answer.admitted:
            assert answer.retry_after_us == 0
            continue
        refused += 1
        assert bucket.tats == before
        at = now + answer.retry_after_us
        assert judge(bucket.limits, bucket.tats, at) is None
        early = judge(bucket.limits, bucket.tats, at - 1)
        assert early is not None
        assert early.retry_after_us == 1
        assert all(standing.remaining == 0 for standing in answer.standings)
        assert max(standing.more_us for standing in answer.standings) == answer.retry_after_us
    assert refused > 20


@pytest.mark.parametrize("seed", range(10))
def test_what_remains_is_what_would_be_admitted_and_more_comes_when_it_is_said(seed: int) -> None:
    rng = random.Random(seed)
    bucket = Bucket(limit(rng.randrange(1, 9), rng.randrange(1, 9)))
    for now in schedule(rng, 100):
        (standing,) = bucket.take(now).standings
        assert count(bucket, now) == standing.remaining
        assert count(bucket, now + standing.more_us) == standing.remaining + 1
        assert count(bucket, now + standing.more_us - 1) == standing.remaining


def count(bucket: Bucket, now_us: int) -> int:
    """How many requests at once a copy of the bucket admits."""
    copy = Bucket(*bucket.limits)
    copy.tats = dict(bucket.tats)
    taken = 0
    while copy.take(now_us).admitted:
        taken += 1
    return taken


def test_one_limit_of_two_that_refuses_spares_the_other() -> None:
    bucket = Bucket(limit(2, 1, "burst"), limit(100, 3600, "sustained"))
    answers = [bucket.take(NOW) for _ in range(50)]
    assert [answer.admitted for answer in answers] == [True, True] + [False] * 48
    assert [standing.limit.name for standing in answers[-1].standings] == ["burst"]
    (_, sustained) = bucket.take(NOW + MICROSECONDS).standings
    assert sustained.remaining == 97


def test_who_is_held_to_what() -> None:
    def held(limits: tuple[Limit, ...]) -> dict[str, tuple[int, int]]:
        return {each.name: (each.quota, each.window_s) for each in limits}

    address = {"address-burst": (4, 2), "address-sustained": (40, 60)}
    assert held(address_limits(RATES, "plain")) == held(address_limits(RATES, "costly")) == address
    login = {"login-burst": (3, 60), "login-sustained": (9, 3600)}
    assert held(address_limits(RATES, "login")) == address | login
    assert held(account_limits(RATES)) == {"account-burst": (2, 60), "account-sustained": (8, 3600)}
    team = {"user-burst": (50, 1), "user-sustained": (500, 60)}
    assert held(caller_limits(RATES, "team", "plain")) == team
    costly = {"costly-burst": (20, 10), "costly-sustained": (60, 60)}
    assert held(caller_limits(RATES, "team", "costly")) == team | costly
    assert caller_limits(RATES, "unheard-of", "costly") == caller_limits(RATES, "free", "costly")


@pytest.mark.parametrize(
    ("address", "key"),
    [
        ("192.0.2.1", "address:192.0.2.1"),
        ("::ffff:192.0.2.1", "address:192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "address:2001:db8:1:2::/64"),
        ("2001:db8:1:2:ffff::1", "address:2001:db8:1:2::/64"),
        ("2001:db8:1:3::1", "address:2001:db8:1:3::/64"),
        ("fe80::1%eth0", "address:fe80::/64"),
        ("", "address:unknown"),
        ("192.0.2.1, 198.51.100.7", "address:unknown"),
    ],
)
def test_an_address_is_known_by_what_one_customer_has(address: str, key: str) -> None:
    assert address_key(address) == key


ENVIRONMENT = {
    "DATABASE_URL": "postgresql://none",
    "IMAGES_BUCKET": "none",
    "SESSION_SECRET": "of-the-tests-and-known-to-everybody",
}


def test_an_operator_changes_what_he_names() -> None:
    rates = Settings.from_env({**ENVIRONMENT, "RATE_LIMITS": '{"user.team": "9/2m 70/1d"}'}).rates
    assert rates["user.team"] == ((9, 120), (70, 86400))
    assert rates["address"] == ((400, 20), (20000, 3600))
    local = Settings.from_env({**ENVIRONMENT, "ENVIRONMENT": "local"}).rates
    assert (local.keys(), min(quota for pair in local.values() for quota, _ in pair)) == (
        rates.keys(),
        100000,
    )


@pytest.mark.parametrize(
    "value",
    [
        *("{", "[]", '"x"', '{"user.gold": "1/1s 1/1s"}', '{"address": null}', '{"address": "1/1s"}'),
        *(
            f'{{"address": "{text}"}}'
            for text in ("0/1s 1/1s", "1/0s 1/1s", "1/1s 1/2d", "1/1w 1/1s", "1/1s 1/1s x")
        ),
    ],
)
def test_a_wrong_limit_is_refused_at_start_by_the_variables_name(value: str) -> None:
    with pytest.raises(InvalidSetting, match=r"^RATE_LIMITS: must be "):
        Settings.from_env({**ENVIRONMENT, "RATE_LIMITS": value})


routes = Routes("things")


@routes.get("/alive", public=True, cost="none", status=200, summary="Not limited.")
def get_alive(_request: Request) -> None: ...


@routes.get("/public", public=True, status=200, summary="For anybody.")
def get_public(_request: Request) -> None: ...


@routes.get("/plain", status=200, summary="For who is known.")
def get_plain(_request: Request) -> None: ...


@routes.get("/costly", cost="costly", status=200, summary="Costs money.")
def get_costly(_request: Request) -> None: ...


@routes.post("/login/{email}", public=True, cost="login", status=200, summary="Looks at a password.")
def log_in(request: Request) -> None:
    limits.admit_login(request.path["email"])


def identify(headers: Mapping[str, str]) -> Caller:
    user_id, _, plan = headers.get("authorization", "").partition("/")
    if not user_id:
        raise Unauthenticated("Sign in first.")
    return Caller(user_id=user_id, plan=plan or "free")


class Api:
    """The routes above under RATES, asked from an address by a user with a plan, such as ann/team."""

    def __init__(self) -> None:
        edge = Edge(identify=identify, admit_address=limits.admit_address, admit_caller=limits.admit_caller)
        self._app = App(app_name="things", edge=lambda: edge)
        self._app.add(routes)

    def __call__(
        self, path: str, user: str = "", *, address: str = "192.0.2.1", **headers: str
    ) -> tuple[int, dict[str, Any]]:
        method, resource = ("POST", "/login/{email}") if path.startswith("/login/") else ("GET", path)
        event = {
            "path": path,
            "headers": {name.replace("_", "-"): value for name, value in headers.items()}
            | ({"authorization": user} if user else {}),
            "multiValueQueryStringParameters": None,
            "pathParameters": {"email": path.rpartition("/")[2]},
            "stageVariables": None,
            "body": None,
            "requestContext": {
                "httpMethod": method,
                "resourcePath": resource,
                "path": path,
                "identity": {"sourceIp": address},
            },
        }
        answer = self._app(event, None)
        return answer["statusCode"], answer

    def statuses(self, times: int, path: str, user: str = "", **more: str) -> list[int]:
        return [self(path, user, **more)[0] for _ in range(times)]


@pytest.fixture(scope="module")
def aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulated]:
    with emulated_aws(tmp_path_factory.mktemp("aws")) as emulated:
        yield emulated


def forget() -> None:
    wiring.settings.forget()
    wiring.rate_limits.forget()


@pytest.fixture
def api(aws: Emulated, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Iterator[Api]:
    """A table of this test's own, under RATES with windows so long that nothing comes back within it."""
    names = {
        "SESSIONS_TABLE": f"s-{hash(request.node.name)}",
        "RATE_LIMITS_TABLE": f"r-{hash(request.node.name)}",
    }
    rates = {
        whose: f"{burst}/{window_s * 600}s {sustained}/1d"
        for whose, ((burst, window_s), (sustained, _)) in RATES.items()
    }
    environment = {
        **aws_environment(aws.emulator.port),
        **names,
        **ENVIRONMENT,
        "RATE_LIMITS": json.dumps(rates),
    }
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    create_tables(names, aws_port=aws.emulator.port)
    forget()
    yield Api()
    forget()


def test_each_user_has_a_limit_of_their_own_by_plan(api: Api) -> None:
    everywhere = [f"192.0.2.{n}" for n in range(30)]
    ann = [api("/plain", "ann", address=each)[0] for each in everywhere]
    assert ann == [200] * 5 + [429] * 25
    assert api("/plain", "bob", address="198.51.100.1")[0] == 200
    team = [api("/plain", "eve/team", address=each)[0] for each in everywhere]
    assert team == [200] * 30


def test_an_address_has_one_limit_whoever_asks_from_it_and_before_it_is_known_who(api: Api) -> None:
    assert api.statuses(1, "/plain") == [401]
    assert api.statuses(2, "/plain", "ann") == [200] * 2
    assert api.statuses(2, "/public") == [200, 429]
    assert api.statuses(1, "/plain", "bob") == [429]
    assert api.statuses(1, "/plain") == [429], "not even told that they are unknown"
    spoofed = {"x_forwarded_for": "198.51.100.9", "forwarded": "for=198.51.100.9"}
    assert api("/public", **spoofed)[0] == 429
    assert api("/public", address="198.51.100.9")[0] == 200


def test_neighbours_in_one_64_share_a_limit(api: Api) -> None:
    statuses = [api("/public", address=f"2001:db8:0:1::{n}")[0] for n in range(6)]
    assert statuses == [200] * 4 + [429] * 2
    assert api("/public", address="2001:db8:0:2::1")[0] == 200


def test_costly_routes_have_a_smaller_limit_that_counts_with_the_users(api: Api) -> None:
    assert api.statuses(3, "/costly", "ann") == [200, 200, 429]
    status, answer = api("/costly", "ann", address="198.51.100.1")
    assert (status, answer["headers"]["RateLimit"][:22]) == (429, '"costly-burst";r=0;t=3')
    others = [api("/plain", "ann", address=f"203.0.113.{n}")[0] for n in range(4)]
    assert others == [200, 200, 200, 429], "refused costly requests counted against nothing"


def test_logins_are_limited_by_address_and_by_account(api: Api) -> None:
    assert api.statuses(4, "/login/ann@example.org") == [200, 200, 429, 429]
    assert api.statuses(1, "/login/ANN@example.org", address="198.51.100.1") == [429]
    assert api.statuses(1, "/login/bob@example.org", address="198.51.100.1") == [200]
    many = [api(f"/login/{n}@example.org", address="203.0.113.1")[0] for n in range(4)]
    assert many == [200, 200, 200, 429]
    assert api.statuses(1, "/public", address="203.0.113.1") == [200], "its limit is larger"


def test_what_is_not_limited_is_not_counted(api: Api) -> None:
    for _ in range(6):
        status, answer = api("/alive")
        assert status == 200
        assert not {"RateLimit", "RateLimit-Policy", "Retry-After"} & answer["headers"].keys()


def test_every_limited_answer_tells_of_the_limits(api: Api) -> None:
    _, answer = api("/plain", "ann")
    assert answer["headers"]["RateLimit-Policy"] == (
        '"address-burst";q=4;w=1200, "address-sustained";q=40;w=86400, '
        '"user-burst";q=5;w=600, "user-sustained";q=50;w=86400'
    )
    assert answer["headers"]["RateLimit"] == (
        '"address-burst";r=3;t=300, "address-sustained";r=39;t=2160, '
        '"user-burst";r=4;t=120, "user-sustained";r=49;t=1728'
    )
    status, answer = api("/plain")
    assert (status, answer["headers"]["RateLimit"].startswith('"address-burst";r=2;t=')) == (401, True)
    api.statuses(2, "/public")
    status, answer = api("/plain", "ann")
    headers, problem = answer["headers"], json.loads(answer["body"])
    assert (status, problem["code"], problem["status"]) == (429, "rate_limited", 429)
    assert headers["Content-Type"] == "application/problem+json"
    assert headers["RateLimit-Policy"] == '"address-burst";q=4;w=1200'
    assert headers["RateLimit"] == f'"address-burst";r=0;t={headers["Retry-After"]}'
    assert 290 <= int(headers["Retry-After"]) <= 300
    assert f"try again in {headers['Retry-After']} s" in problem["detail"]


@pytest.mark.parametrize("mood", ["refuse", "hang"])
def test_while_dynamodb_is_away_reads_and_writes_go_on_and_the_rest_waits(
    api: Api, aws: Emulated, monkeypatch: pytest.MonkeyPatch, mood: Any
) -> None:
    with tcp_proxy(aws.emulator.port) as proxy:
        monkeypatch.setenv("AWS_ENDPOINT_URL_DYNAMODB", f"http://127.0.0.1:{proxy.port}")
        forget()
        assert api("/plain", "ann")[0] == 200
        proxy.be(mood)
        started_at = time.monotonic()
        for path, user, expected in (
            ("/plain", "ann", 200),
            ("/public", "", 200),
            ("/plain", "", 401),
            ("/costly", "ann", 503),
            ("/login/ann@example.org", "", 503),
            ("/alive", "", 200),
        ):
            status, answer = api(path, user)
            assert (path, status) == (path, expected)
            assert "RateLimit" not in answer["headers"]
            assert ("Retry-After" in answer["headers"]) == (status == 503)
        # One of them waits, 1 s twice; five would take over 10 s.
        assert time.monotonic() - started_at < 8


def test_the_document_declares_the_refusal_and_its_headers() -> None:
    paths = document(routes.declared, version="1")["paths"]
    refusal = paths["/costly"]["get"]["responses"]["429"]
    assert set(refusal["headers"]) == {"RateLimit", "RateLimit-Policy", "Retry-After"}
    assert "application/problem+json" in refusal["content"]
    assert set(paths["/costly"]["get"]["responses"]["200"]["headers"]) == {"RateLimit", "RateLimit-Policy"}
    alive = paths["/alive"]["get"]["responses"]
    assert ("429" in alive, "headers" in alive["200"]) == (False, False)
