"""A stage that nobody uses costs little: the deployed schedule leaves its database alone, so that it pauses."""

import json
import os
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import boto3
import psycopg2
import pytest
from botocore.config import Config

import app
from chalicelib import wiring
from chalicelib.errors import Unavailable
from chalicelib.events import handlers
from chalicelib.stores.aws.bus import Bus
from chalicelib.stores.postgres.postgres import Database
from deploy.policies import ROOT
from local.layout import ACCOUNT
from local.schedules import Scheduler
from tests.support.tcp_proxy import TcpProxy
from tests.support.world import World, context, jpeg

PAUSES_AFTER = timedelta(minutes=10)  # AuroraCluster in deploy/base.yaml
LISTED = """import app, json
schedules = [each for each in app.app.event_sources if hasattr(each, "schedule_expression")]
print(json.dumps({each.name: each.schedule_expression for each in schedules}))"""


def schedules_of(stage: str) -> dict[str, str]:
    """Return the functions that the stage's deployment starts by the clock, with their rates."""
    environment = {**os.environ, "ENVIRONMENT": stage}
    ran = subprocess.run(
        [sys.executable, "-c", LISTED], cwd=ROOT, env=environment, capture_output=True, check=True
    )
    found: dict[str, str] = json.loads(ran.stdout)
    return found


def let_sessions_end(world: World, after: str) -> None:
    """Have Postgres end this database's idle sessions sooner than the role has it."""
    ((name,),) = world.sql("SELECT current_database()")
    world.sql(f"ALTER ROLE collections_app IN DATABASE \"{name}\" SET idle_session_timeout = '{after}'")


def connected_minutes(world: World, postgres: TcpProxy, stage: str, *, minutes: int) -> list[int]:
    """Let that much time pass in a stage that nobody uses. Return the minutes with an open or a new connection."""
    events = world.aws.client("events")
    functions = {}
    for name, rate in schedules_of(stage).items():
        rule = f"collections-{stage}-{name}-event"
        events.put_rule(Name=rule, ScheduleExpression=rate)
        functions[f"arn:aws:events:us-east-1:{ACCOUNT}:rule/{rule}"] = name

    def fire(rule: Any, event: dict[str, Any]) -> None:
        app.app.handler_map[functions[rule.arn]](event, context())

    scheduler, start, connected = Scheduler(fire), datetime(2026, 1, 1, tzinfo=UTC), []
    for minute in range(minutes):
        before = postgres.accepted
        scheduler.tick(start + timedelta(minutes=minute))
        if sessions(world) or postgres.accepted > before:
            connected.append(minute)
            give_up_at = time.monotonic() + 20
            while sessions(world):  # functions are frozen now, and close nothing
                assert time.monotonic() < give_up_at, "a connection stays open"
                time.sleep(0.02)
    return connected


def sessions(world: World) -> int:
    """Return how many sessions of the app the server has."""
    counted = "SELECT count(*) FROM pg_stat_activity WHERE usename = 'collections_app'"
    found: int = world.sql(f"{counted} AND datname = current_database()")[0][0]
    return found


def test_an_idle_dev_stage_lets_its_database_pause(world: World, postgres: TcpProxy) -> None:
    let_sessions_end(world, "100ms")
    connected = connected_minutes(world, postgres, "dev", minutes=121)
    assert connected == [0, 60, 120]
    assert min(b - a for a, b in pairwise(connected)) > PAUSES_AFTER.seconds / 60


def test_other_stages_look_every_minute(world: World, postgres: TcpProxy) -> None:
    let_sessions_end(world, "100ms")
    assert schedules_of("production") == {"relay": "rate(1 minute)", "sweeper": "rate(5 minutes)"}
    assert connected_minutes(world, postgres, "production", minutes=3) == [0, 1, 2]


def test_the_server_ends_sessions_that_frozen_functions_leave_open(world: World, app_url: str) -> None:
    connection = psycopg2.connect(app_url)
    with connection, connection.cursor() as cursor:
        cursor.execute("SHOW idle_session_timeout")
        assert cursor.fetchone() == ("2min",)
    connection.close()


def test_a_function_that_is_woken_does_not_notice(world: World, postgres: TcpProxy) -> None:
    let_sessions_end(world, "50ms")
    db = Database(os.environ["DATABASE_URL"], max_size=1, timeout_s=4.0)
    for _ in range(2):
        assert db.transact("alice", lambda tx: tx.one("SELECT 1 AS one")) == {"one": 1}
        time.sleep(0.3)
    assert postgres.accepted >= 2, "on a slow machine one ends even between its login and its first statement"
    db.close()


@pytest.mark.parametrize("age_s", [0, 1000])
def test_the_relay_tells_how_old_the_oldest_work_is(
    world: World, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, age_s: int
) -> None:
    world.deliver(world.put("alice/a.jpg", b"no picture"))
    world.sql(f"UPDATE tasks SET run_after = now() - interval '{age_s} seconds'")
    world.sql(
        "INSERT INTO outbox (user_id, item_id, source, detail_type, detail, due_at, locked_until) VALUES"
        f" ('alice', 'a', 's', 't', '{{}}', now() - interval '{2 * age_s} seconds', now() + interval '1 hour')"
    )
    monkeypatch.setenv("ENVIRONMENT", "dev")  # the settings are made already
    app.app.handler_map["relay"](scheduled(), context())
    (line,) = [each for each in capsys.readouterr().out.splitlines() if "OutboxAge" in each]
    told = json.loads(line)
    assert (told["Stage"], told["_aws"]["CloudWatchMetrics"][0]["Namespace"]) == ("dev", "Collections")
    assert age_s <= told["WorkAge"] < age_s + 60
    assert 2 * age_s <= told["OutboxAge"] < 2 * age_s + 60


def test_the_relay_tells_it_also_while_the_bus_is_away(
    world: World, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    world.step(world.put("alice/a.jpg", jpeg()))
    world.sql(
        "UPDATE outbox SET published_at = NULL, locked_until = NULL, due_at = now() - interval '1 hour'"
    )
    away = boto3.client(
        "events", endpoint_url="http://127.0.0.1:9", config=Config(retries={"total_max_attempts": 1})
    )
    monkeypatch.setattr(wiring, "bus", lambda: Bus(lambda: away))
    monkeypatch.setenv("ENVIRONMENT", "dev")
    with pytest.raises(Unavailable):
        handlers.minute_passed()
    assert '"OutboxAge": 36' in capsys.readouterr().out


def scheduled() -> dict[str, Any]:
    names = ("account", "region", "detail-type", "id", "source", "version")
    return {**dict.fromkeys(names, "x"), "time": "2026-01-01T00:00:00Z", "detail": {}, "resources": []}
