"""Rate limits over HTTP: who is counted against what, what the answers tell, what goes on without DynamoDB."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from botocore.awsrequest import AWSPreparedRequest

from chalicelib import wiring
from chalicelib.api.accounts import limits
from chalicelib.api.http.entry import App
from chalicelib.api.http.openapi import document
from chalicelib.api.http.routes import Caller, Edge, Request, Routes
from chalicelib.errors import Unauthenticated
from chalicelib.stores.aws.dynamodb import FAILURES_UNTIL_AWAY
from local.base import create_tables
from local.layout import aws_environment
from tests.support.emulated import Emulated, emulated_aws
from tests.support.rates import ENVIRONMENT, RATES
from tests.support.tcp_proxy import tcp_proxy

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
def log_in(_request: Request) -> None: ...


def identify(headers: Mapping[str, str]) -> Caller:
    user_id, _, plan = headers.get("authorization", "").partition("/")
    if not user_id:
        raise Unauthenticated("Sign in first.")
    return Caller(user_id=user_id, plan=plan or "free")


class Api:
    """The routes above under RATES, asked from an address by a user with a plan, such as ann/team."""

    def __init__(self) -> None:
        self.identify = identify
        edge = Edge(
            identify=lambda headers: self.identify(headers),
            admit_address=limits.admit_address,
            admit_caller=limits.admit_caller,
            refuse_address=limits.refuse_address,
        )
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
    wiring.dynamodb.forget()
    wiring.rate_limits.forget()
    wiring.dynamodb_presence.forget()


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


def test_an_address_has_one_limit_for_requests_of_nobody(api: Api) -> None:
    assert api.statuses(2, "/plain") == [401] * 2
    assert api.statuses(3, "/public") == [200, 200, 429]
    assert api.statuses(1, "/plain") == [429], "not even told that they are unknown"
    spoofed = {"x_forwarded_for": "198.51.100.9", "forwarded": "for=198.51.100.9"}
    assert api("/public", **spoofed)[0] == 429
    assert api("/public", address="198.51.100.9")[0] == 200


def test_users_behind_one_address_do_not_use_up_its_limit(api: Api) -> None:
    users = [f"user{n}" for n in range(6)]
    assert [api("/plain", each)[0] for each in users] == [200] * 6
    assert api("/public")[0] == 200


def test_guessing_is_counted_and_then_refused_before_the_credential_is_looked_up(api: Api) -> None:
    looked_up: list[str] = []

    def refuse(headers: Mapping[str, str]) -> Caller:
        looked_up.append(headers["authorization"])
        raise Unauthenticated("This key is not valid.")

    api.identify = refuse
    assert api.statuses(8, "/plain", "guess") == [401] * 4 + [429] * 4
    assert len(looked_up) == 4
    api.identify = identify
    assert api("/plain", "ann", address="198.51.100.1")[0] == 200
    assert api("/plain", "ann")[0] == 429, "also with a good credential, until the address may ask again"


def test_a_request_is_one_write(api: Api) -> None:
    sent: dict[str, str] = {}  # by the id that botocore's own retries of a request share

    def note(request: AWSPreparedRequest, **_: object) -> None:
        sent[str(request.headers["amz-sdk-invocation-id"])] = str(request.headers["X-Amz-Target"])

    events = wiring.rate_limits()._dynamodb.meta.events
    events.register("before-send", note)
    for path, user in (("/plain", "ann"), ("/costly", "bob"), ("/public", ""), ("/plain", "")):
        api(path, user)
    events.unregister("before-send", note)
    assert list(sent.values()) == ["b'DynamoDB_20120810.UpdateItem'"] * 4


def test_neighbours_in_one_64_share_a_limit(api: Api) -> None:
    statuses = [api("/public", address=f"2001:db8:0:1::{n}")[0] for n in range(6)]
    assert statuses == [200] * 4 + [429] * 2
    assert api("/public", address="2001:db8:0:2::1")[0] == 200


def test_costly_routes_have_a_smaller_limit_that_counts_with_the_users(api: Api) -> None:
    assert api.statuses(2, "/costly", "ann") == [200, 200]
    status, answer = api("/costly", "ann", address="198.51.100.1")
    assert (status, answer["headers"]["RateLimit"][:22]) == (429, '"costly-burst";r=0;t=3')
    others = [api("/plain", "ann", address=f"203.0.113.{n}")[0] for n in range(4)]
    assert others == [200, 200, 200, 429], "refused costly requests counted against nothing"


def test_logins_of_an_address_have_a_smaller_limit(api: Api) -> None:
    many = [api(f"/login/{n}@example.org")[0] for n in range(4)]
    assert many == [200, 200, 200, 429]
    assert api.statuses(1, "/public") == [200], "its limit is larger"
    assert api.statuses(1, "/login/ann@example.org", address="198.51.100.1") == [200]


def test_what_is_not_limited_is_not_counted(api: Api) -> None:
    for _ in range(6):
        status, answer = api("/alive")
        assert status == 200
        assert not {"RateLimit", "RateLimit-Policy", "Retry-After"} & answer["headers"].keys()


def test_every_limited_answer_tells_of_the_limits(api: Api) -> None:
    _, answer = api("/plain", "ann")
    assert answer["headers"]["RateLimit-Policy"] == ('"user-burst";q=5;w=600, "user-sustained";q=50;w=86400')
    assert answer["headers"]["RateLimit"] == ('"user-burst";r=4;t=120, "user-sustained";r=49;t=1728')
    status, answer = api("/plain")
    assert (status, answer["headers"]["RateLimit"].startswith('"address-burst";r=3;t=')) == (401, True)
    api.statuses(3, "/public")
    status, answer = api("/public")
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
        sent = []
        wiring.rate_limits()._dynamodb.meta.events.register("before-send", lambda **_: sent.append(1))
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
        # The first three calls wait, 1 s twice each; the other five are told at once.
        assert len(sent) <= 2 * FAILURES_UNTIL_AWAY


def test_the_document_declares_the_refusal_and_its_headers() -> None:
    paths = document(routes.declared, version="1")["paths"]
    refusal = paths["/costly"]["get"]["responses"]["429"]
    assert set(refusal["headers"]) == {"RateLimit", "RateLimit-Policy", "Retry-After"}
    assert "application/problem+json" in refusal["content"]
    assert set(paths["/costly"]["get"]["responses"]["200"]["headers"]) == {"RateLimit", "RateLimit-Policy"}
    alive = paths["/alive"]["get"]["responses"]
    assert ("429" in alive, "headers" in alive["200"]) == (False, False)
