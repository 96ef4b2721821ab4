"""Fixtures of the tests of accounts and rate limits."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from chalice.test import Client

import app
from chalicelib.model.accounts.passwords import hash_password
from chalicelib.model.ingest import files
from chalicelib.stores.aws.dynamodb import RATE_LIMITS_KEY, definition
from local.base import create_queues
from tests.support.counted_limits import TABLE, Counted, counted_store
from tests.support.emulated import Emulated, emulated_aws
from tests.support.hall import Hall
from tests.support.issuer import Issuer, issuer_server
from tests.support.mailbox import CONSOLE, SENDER
from tests.support.people import PASSWORD, People
from tests.support.world import World, count_no_requests


@pytest.fixture(scope="module")
def aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulated]:
    with emulated_aws(tmp_path_factory.mktemp("aws")) as emulated:
        emulated.client("dynamodb").create_table(**definition(TABLE, RATE_LIMITS_KEY))
        yield emulated


@pytest.fixture
def key(request: pytest.FixtureRequest) -> str:
    return f"user:{request.node.name}"


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    with issuer_server() as found:
        yield found


@pytest.fixture
def trusting(people: People, issuer: Issuer) -> People:
    people.set(ENVIRONMENT="local", OIDC_ISSUER=issuer.url, OIDC_AUDIENCE="us")
    return people


@pytest.fixture
def hall(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hall]:
    count_no_requests(monkeypatch)
    monkeypatch.setattr(files, "PARTS_ABOVE_BYTES", 8)
    monkeypatch.setenv("ENVIRONMENT", "dev")  # where nobody is an administrator
    create_queues("dev", aws_port=world.aws.emulator.port)
    monkeypatch.setenv("MAIL_FROM", SENDER)
    monkeypatch.setenv("CONSOLE_URL", CONSOLE)
    monkeypatch.setenv(
        "RATE_LIMITS", json.dumps(dict.fromkeys(("login", "account", "mail"), "900/1m 9000/1h"))
    )
    world.aws.client("sesv2").create_email_identity(EmailIdentity="example.org")
    password_hash = hash_password(PASSWORD)
    hall = Hall(world, Client(app.app, project_dir=str(tmp_path)), monkeypatch)
    hall.be(None)
    for user in ("alice", "bob", "carol"):
        world.sql(
            f"INSERT INTO users (id) VALUES ('{user}');"
            "INSERT INTO accounts (user_id, email, password_hash, name)"
            f" VALUES ('{user}', '{user}@example.org', '{password_hash}', '{user}secret')"
        )
    for user in ("alice", "bob"):
        hall.ids[user] = hall.make_ids(user)
    yield hall
    app.edge.cache_clear()


@pytest.fixture
def store(aws: Emulated) -> Counted:
    return counted_store(aws.emulator.port)


@pytest.fixture
def another(aws: Emulated) -> Counted:
    return counted_store(aws.emulator.port)
