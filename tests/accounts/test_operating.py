"""The operating function: what an operator does from inside the stage, by `chalice invoke --name operate`."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg2
import pytest
from chalice.test import Client

import app
from chalicelib.events.operating import Refused
from chalicelib.stores.postgres.migrate import MIGRATIONS
from deploy.policies import FUNCTIONS, STAGES, environment, policy
from tests.support.databases import create_database, with_database
from tests.support.people import PASSWORD, People
from tests.support.world import World, forget_wiring

SECRET = "a secret of the tests, 32 bytes long"
CONSOLE = "https://app.example.org/dev"


class Operator:
    """The stage dev, newly deployed: a database of its owner, and none of the app's."""

    def __init__(self, world: World, client: Client) -> None:
        self.ssm = world.aws.client("ssm")
        self._client = client

    def __call__(self, command: str, **more: str) -> Any:
        return self._client.lambda_.invoke("operate", {"command": command, **more}).payload

    def put(self, path: str, name: str, value: str) -> None:
        self.ssm.put_parameter(Name=f"{path}/{name}", Value=value, Type="SecureString", Overwrite=True)


@pytest.fixture
def operator(
    world: World, postgres_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Operator]:
    for name in ("DATABASE_URL", "IMAGES_BUCKET", "SESSION_SECRET", "ANONYMOUS_USER"):
        monkeypatch.delenv(name)
    for name, value in environment("dev").items():
        monkeypatch.setenv(name, value)
    forget_wiring()
    operator = Operator(world, Client(app.app, project_dir=str(tmp_path)))
    owner_url = create_database(postgres_url, "operated")
    operator.put("/collections-dev-operate", "MIGRATION_DATABASE_URL", owner_url)
    for name, value in (("SESSION_SECRET", SECRET), ("CONSOLE_URL", CONSOLE), ("IMAGES_BUCKET", "b")):
        operator.put("/collections", name, value)
    yield operator
    forget_wiring()
    connection = psycopg2.connect(postgres_url)
    connection.autocommit = True
    with connection.cursor() as cursor:
        cursor.execute("ALTER ROLE collections_app PASSWORD 'test'; ")
        cursor.execute("DROP DATABASE operated WITH (FORCE)")
    connection.close()


def test_a_new_stage_gets_its_schema_its_app_and_its_first_administrator(
    operator: Operator, monkeypatch: pytest.MonkeyPatch, world: World, tmp_path: Path
) -> None:
    found = operator("doctor")
    assert found["owner"] == "ok" and found["migrations"].startswith("missing: 0001_items")
    assert found["settings"] == "DATABASE_URL: must be set"
    assert operator("migrate") == {"applied": sorted(path.stem for path in MIGRATIONS.glob("*.sql"))}
    assert operator("migrate") == {"applied": []}
    assert operator("set-app-password") == {"stored": "DATABASE_URL"}
    forget_wiring()
    found = operator("doctor")
    assert (found["migrations"], found["settings"], found["database"]) == ("ok", "ok", "ok")
    assert operator("set-app-password") == {"stored": "DATABASE_URL"}, "a rotation"
    forget_wiring()
    assert operator("doctor")["database"] == "ok"
    link = operator("first-admin", email="ann@example.org")["printed"]
    assert link.startswith(f"{CONSOLE}/#/reset/")
    again = operator("first-admin", email="ann@example.org")["printed"]
    monkeypatch.setenv("SESSIONS_TABLE", "collections-sessions-local")
    monkeypatch.setenv("RATE_LIMITS_TABLE", "collections-rate-limits-local")
    forget_wiring()
    ann = People(world, Client(app.app, project_dir=str(tmp_path)), monkeypatch)
    body = {"token": again.rpartition("/")[2], "password": PASSWORD}
    assert ann("POST", "/api/v1/password", body).status == 200
    token = ann.log_in("ann@example.org").body["access_token"]
    assert ann.me(token).body["role"] == "admin"
    assert operator("list-admins") == {"printed": "ann@example.org"}
    with pytest.raises(Refused, match="There is an administrator already"):
        operator("first-admin", email="eve@example.org")
    assert operator("invite", email="bob@example.org")["printed"].startswith(f"{CONSOLE}/#/invite/")
    kept = [line.split()[2:4] for line in operator("audit")["printed"].splitlines()]
    assert kept[:3] == [
        ["invite", "bob@example.org"],
        ["first-admin", "eve@example.org"],
        ["first-admin", "ann@example.org"],
    ]
    assert kept[-1] == ["migrate", "-"] and ["set-app-password", "-"] in kept
    assert not {"doctor", "list-admins", "audit"} & {command for command, _ in kept}


def test_what_was_done_is_kept_before_it_is_done_and_cannot_be_changed(
    operator: Operator, postgres_url: str
) -> None:
    with pytest.raises(Refused, match="not migrated"):
        operator("make-admin", email="ann@example.org")
    operator("migrate")
    with pytest.raises(Refused, match="has no account"):
        operator("make-admin", email="ann@example.org")
    assert "make-admin ann@example.org" in operator("audit")["printed"]
    connection = psycopg2.connect(with_database(postgres_url, "operated"))
    with connection, connection.cursor() as cursor:
        cursor.execute(
            "CREATE ROLE auditor; GRANT collections_operator TO auditor; GRANT ALL ON audit_log TO auditor"
        )
        cursor.execute("SET LOCAL ROLE auditor")
        for change in ("DELETE FROM audit_log", "UPDATE audit_log SET command = 'x'"):
            cursor.execute(change)
            assert cursor.rowcount == 0
        cursor.execute("RESET ROLE; REVOKE ALL ON audit_log FROM auditor; DROP ROLE auditor")
    connection.close()


@pytest.mark.parametrize(
    ("event", "reason"),
    [
        ({"command": "drop-everything"}, "command: must be one of migrate, "),
        ({"command": "invite"}, "email: must be set for invite"),
        ({}, "command"),
        ({"command": "migrate", "url": "postgresql://eve"}, "url"),
    ],
)
def test_a_wrong_command_is_refused_by_what_is_wrong(event: dict[str, str], reason: str) -> None:
    with pytest.raises(Refused, match=reason):
        app.operate(event, None)


def test_what_the_owner_has_not_set_is_named(world: World) -> None:
    with pytest.raises(Refused, match=r"^MIGRATION_DATABASE_URL: must be set"):
        app.operate({"command": "migrate"}, None)


def test_the_password_is_neither_answered_nor_logged(
    operator: Operator, capsys: pytest.CaptureFixture[str]
) -> None:
    operator("migrate")
    answer = operator("set-app-password")
    value = operator.ssm.get_parameter(Name="/collections/DATABASE_URL", WithDecryption=True)["Parameter"][
        "Value"
    ]
    password = value.partition("collections_app:")[2].partition("@")[0]
    assert len(password) >= 32
    printed = capsys.readouterr()
    assert password not in json.dumps(answer) + printed.out + printed.err


def test_nobody_of_the_app_may_invoke_a_function_or_read_what_is_the_owners() -> None:
    for stage in STAGES:
        for function in FUNCTIONS:
            for statement in policy(function, stage)["Statement"]:
                assert not any(action.startswith("lambda:") for action in statement["Action"])
                if function != "operate":
                    assert "-operate" not in json.dumps(statement["Resource"]), (function, statement["Sid"])
