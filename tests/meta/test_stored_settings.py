"""Settings of a deployed stage: kept in Parameter Store, read at first need, refused by name where only we see it."""

import json
from functools import partial
from pathlib import Path
from typing import Any

import boto3
import pytest
from chalice.test import Client

import app
from chalicelib import wiring
from chalicelib.errors import InvalidSetting, Misconfigured, Unavailable
from chalicelib.stores.aws.parameters import MIN_INTERVAL_S, TTL_S, Parameters
from deploy.policies import STAGES, environment
from local.base import create_tables
from tests.support.people import People
from tests.support.tcp_proxy import tcp_proxy
from tests.support.world import World, context, forget_wiring

PATH = "/collections"
SECRET = "a secret of the tests, 32 bytes long"
LIVE = {
    "version": "2.0",
    "rawPath": "/health/live",
    "headers": {"origin": "https://a.example"},
    "requestContext": {"http": {"method": "GET", "path": "/health/live"}, "requestId": "test-123"},
}


class Stage:
    """The stage dev as it is deployed: a function has ENVIRONMENT and SETTINGS_PATH, and the account the rest."""

    def __init__(self, people: People) -> None:
        self.ssm = people.world.aws.client("ssm")
        self.world = people.world
        self.get = partial(people, "GET")

    def put(self, path: str = PATH, **values: str) -> None:
        for name, value in values.items():
            self.ssm.put_parameter(Name=f"{path}/{name}", Value=value, Type="SecureString", Overwrite=True)

    def remove(self, name: str) -> None:
        self.ssm.delete_parameter(Name=f"{PATH}/{name}")


@pytest.fixture
def stage(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Stage:
    known = {name: getattr(wiring.settings(), name.lower()) for name in ("DATABASE_URL", "IMAGES_BUCKET")}
    names = ("SESSION_SECRET", "ANONYMOUS_USER", "EMBEDDINGS_URL", "EMBEDDING_MODEL", "EMBEDDING_DIMENSIONS")
    for name in (*known, *names, "ANALYZER_URL", "CHAT_PROVIDER", "SESSIONS_TABLE", "RATE_LIMITS_TABLE"):
        monkeypatch.delenv(name)
    for name, value in environment("dev").items():
        monkeypatch.setenv(name, value)
    forget_wiring()
    tables = {
        "SESSIONS_TABLE": "collections-sessions-dev",
        "RATE_LIMITS_TABLE": "collections-rate-limits-dev",
    }
    create_tables(tables, aws_port=world.aws.emulator.port)
    found = Stage(People(world, Client(app.app, project_dir=str(tmp_path)), monkeypatch))
    found.put(**known, SESSION_SECRET=SECRET)
    return found


def parameters(stage: Stage, now: list[float]) -> Parameters:
    return Parameters(lambda: stage.ssm, path=PATH, clock=lambda: now[0])


def test_a_deployed_function_carries_its_stage_and_the_path_of_its_settings_alone() -> None:
    for stage in STAGES:
        carried = {name for name in environment(stage) if name != "MAIL_FROM"}
        assert stage == "local" or carried == {"ENVIRONMENT", "SETTINGS_PATH"}


def test_a_stage_answers_with_what_parameter_store_holds(stage: Stage) -> None:
    stage.put(CORS_ORIGINS="https://a.example, https://b.example", REGISTRATION_OPEN="false")
    answer = stage.get("/health/ready")
    assert (answer.status, answer.body["environment"]) == (200, "dev")
    found = stage.get("/api/v1/registration", origin="https://b.example")
    assert found.headers["Access-Control-Allow-Origin"] == "https://b.example"


def test_without_a_chat_model_a_stage_on_aws_is_not_healthy_and_says_so(stage: Stage) -> None:
    """The stage still answers with quotes, as CHAT_PROVIDER=none asks for: it is ready for traffic."""
    stage.put(CHAT_PROVIDER="none")
    health, ready = stage.get("/health"), stage.get("/health/ready")
    assert (health.status, health.body["status"], ready.status) == (200, "degraded", 200)
    checks = health.body["checks"].items()
    assert {part: said for part, said in checks if said != "ok"} == {"chat": "not_configured"}
    assert health.body["parts"]["chat"] == "none"


def test_without_a_key_a_stage_on_aws_has_bedrock_and_is_healthy(stage: Stage) -> None:
    health = stage.get("/health").body
    assert set(health["checks"].values()) == {"ok"}, health
    assert all(health["parts"][role].startswith("bedrock ") for role in ("analyzer", "embedder", "chat"))


def test_all_pages_are_read_and_nothing_of_another_stage_or_folder(stage: Stage) -> None:
    many = {f"UPSTREAM_N{n}_SERVICE_URL": f"https://n{n}.example" for n in range(25)}
    stage.put(**many)
    stage.put("/collections-staging", DATABASE_URL="theirs", ONLY_THERE="x")
    stage.put("/collections/nested", DEEP="x")
    values = parameters(stage, [0.0]).values()
    assert many.items() <= values.items()
    assert "ONLY_THERE" not in values and not any("DEEP" in name for name in values)
    assert values["DATABASE_URL"] != "theirs"


def test_a_parameter_may_stand_for_a_secret_and_must_find_it(stage: Stage) -> None:
    client = stage.world.aws.client("secretsmanager")
    client.create_secret(Name="collections/session", SecretString=SECRET[::-1])
    stage.put(SESSION_SECRET="/aws/reference/secretsmanager/collections/session")
    assert wiring.settings().session_secret == SECRET[::-1]
    stage.put(OPENAI_API_KEY="/aws/reference/secretsmanager/collections/none")
    with pytest.raises(InvalidSetting, match=r"^OPENAI_API_KEY: "):
        parameters(stage, [0.0]).values()


def test_the_environment_goes_before_parameter_store(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SESSION_SECRET", SECRET[::-1])
    monkeypatch.setenv("TOKEN_ISSUER", "")
    stage.put(TOKEN_ISSUER="ours")
    assert (wiring.settings().session_secret, wiring.settings().token_issuer) == (SECRET[::-1], "ours")


def test_values_are_kept_for_their_time_and_read_again_sooner_when_doubted(stage: Stage) -> None:
    now = [0.0]
    found = parameters(stage, now)
    assert found.values()["SESSION_SECRET"] == SECRET and not found.has_changed()
    stage.put(SESSION_SECRET="another")
    now[0] = TTL_S - 1
    assert not found.has_changed() and found.values()["SESSION_SECRET"] == SECRET
    now[0] = TTL_S
    assert found.has_changed() and found.values()["SESSION_SECRET"] == "another"
    stage.put(SESSION_SECRET="a third")
    found.doubt()
    now[0] += MIN_INTERVAL_S - 1
    assert not found.has_changed(), "a thousand refusals are no thousand reads"
    now[0] += 1
    assert found.has_changed()


def test_old_values_outlive_an_outage_of_parameter_store(stage: Stage) -> None:
    now = [0.0]
    with tcp_proxy(stage.world.aws.emulator.port) as proxy:
        ssm = boto3.client("ssm", endpoint_url=f"http://127.0.0.1:{proxy.port}")
        found = Parameters(lambda: ssm, path=PATH, clock=lambda: now[0])
        before = found.values()
        proxy.be("refuse")
        now[0] = TTL_S
        assert not found.has_changed() and found.values() == before
        with pytest.raises(Unavailable, match="Parameter Store is away"):
            Parameters(lambda: ssm, path=PATH, clock=lambda: now[0]).values()


def test_a_changed_value_reaches_a_running_function(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chalicelib.stores.aws.parameters.MIN_INTERVAL_S", 0.0)
    assert stage.get("/health").status == 200
    stage.put(CORS_ORIGINS='["https://a.example"]')
    wiring.doubt_settings()
    stage.get("/health")
    answer = stage.get("/api/v1/registration", origin="https://a.example")
    assert answer.headers["Access-Control-Allow-Origin"] == "https://a.example"
    stage.put(CORS_ORIGINS="https://c.example")
    wiring.doubt_settings()
    app.on_minute_passed(tick(), context())
    assert wiring.settings().cors_origins == ("https://c.example",)


def tick() -> dict[str, Any]:
    fields = ("source", "account", "region", "detail-type")
    return (
        dict.fromkeys(fields, "x")
        | {"version": "0", "id": "1", "time": "2026-01-01T00:00:00Z"}
        | {
            "resources": [],
            "detail": {},
        }
    )


def test_a_key_that_a_provider_refuses_is_read_anew(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chalicelib.stores.aws.parameters.MIN_INTERVAL_S", 0.0)
    url = f"{stage.world.providers.url}/v1"
    stage.put(
        EMBEDDINGS_URL=url, EMBEDDING_MODEL="m", EMBEDDING_DIMENSIONS="64", OPENAI_API_KEY="sk-old-old-old"
    )
    stage.world.providers.fail_with = [401]
    embedder = wiring.embedder()
    stage.put(OPENAI_API_KEY="sk-new-new-new")
    with pytest.raises(Misconfigured):
        embedder.embed(["a"], timeout_s=5)
    wiring.renew_settings()
    assert wiring.embedder() is not embedder
    assert wiring.settings().openai_api_key == "sk-new-new-new"
    assert wiring.embedder().embed(["a"], timeout_s=5)


def test_the_log_names_a_missing_setting_and_the_answer_does_not(
    stage: Stage, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chalicelib.stores.aws.parameters.MIN_INTERVAL_S", 0.0)
    url = wiring.settings().database_url
    forget_wiring()
    stage.remove("DATABASE_URL")
    for path in ("/", "/api/v1/items", "/nothing"):
        answer = stage.get(path)
        assert (answer.status, answer.body["code"]) == (503, "misconfigured"), path
        assert "DATABASE_URL" not in json.dumps(answer.body) and "Retry-After" in answer.headers
        assert "DATABASE_URL: must be set" in capsys.readouterr().err
    ready = stage.get("/health/ready")
    assert (ready.status, ready.body["checks"]) == (503, {"settings": "misconfigured"})
    assert "DATABASE_URL: must be set" in capsys.readouterr().err
    assert stage.get("/health/live").status == 200
    health = stage.get("/health")
    assert (health.status, health.body["status"]) == (503, "degraded")
    stage.put(DATABASE_URL=url)
    assert stage.get("/health/ready").status == 200, "mended without a new deployment"


def test_a_live_process_says_so_without_any_setting(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("CORS_ORIGINS", "not an origin")
    forget_wiring()
    answer = stage.get("/health/live", origin="https://a.example")
    assert (answer.status, answer.body) == (200, {"status": "alive"})
    assert not {name for name in answer.headers if name.startswith("Access-Control-Allow-Origin")}
    assert app.app(LIVE, context())["statusCode"] == 200
