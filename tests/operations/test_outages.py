"""A caller's responses, and what is left, while Postgres cannot be reached."""

import http.client
import json
import os
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import app
from chalicelib import wiring
from chalicelib.errors import Unavailable
from chalicelib.model.ingest.files import FileLimits
from chalicelib.model.library.items import ItemRef
from chalicelib.model.work.tasks import Claim
from chalicelib.ops.ingest.analyze import analyze_item
from chalicelib.ops.work.stages import WriteResults
from local.children import free_port, kill_group, module_command, spawn
from tests.support.moods import through_all_moods
from tests.support.tcp_proxy import Mood, TcpProxy
from tests.support.world import World, jpeg

PROJECT = Path(app.__file__).parent
HANGS_S = 50  # ten times the promised 5 s, which test_the_api_gives_the_database_less_than_5_s holds to
AWAY = ("database_unavailable", "database_timeout", "database_busy")
ALICE_A = ItemRef(user_id="alice", item_id="a")
NEW = {"filename": "b.jpg", "content_type": "image/jpeg", "size_bytes": 5}
Question = tuple[str, str, Any]
HEALTH: list[Question] = [("GET", "/health", None), ("GET", "/health/ready", None)]
QUESTIONS: list[Question] = [
    ("GET", "/api/v1/items", None),
    ("GET", "/api/v1/items/a", None),
    ("POST", "/api/v1/search", {"query": "apple"}),
    ("POST", "/api/v1/uploads", NEW),
]


@dataclass(frozen=True, kw_only=True, slots=True)
class Told:
    status: int
    headers: Any
    body: Any


@pytest.fixture
def api_port(postgres: TcpProxy, tmp_path: Path) -> Iterator[int]:
    """The API in a process of its own, which answers many at once."""
    project = tmp_path / "project"
    (project / ".chalice").mkdir(parents=True)
    config = {"version": "2.0", "app_name": "collections", "stages": {"local": {}}}
    (project / ".chalice" / "config.json").write_text(json.dumps(config))
    for name in ("app.py", "chalicelib"):
        (project / name).symlink_to(PROJECT / name)
    port = free_port()
    command = module_command("local.api_server", str(port))
    server = spawn(command, log=tmp_path / "api.log", env=os.environ, project=project)
    give_up_at = time.monotonic() + 60
    while True:
        try:
            ask(port, "GET", "/health/live")
            break
        except OSError:
            assert time.monotonic() < give_up_at, (tmp_path / "api.log").read_text()
            time.sleep(0.05)
    yield port
    kill_group(server)
    server.wait()


def ask(port: int, method: str, path: str, body: Any = None) -> Told:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=HANGS_S)
    headers = {"Content-Type": "application/json"} if body is not None else {}
    connection.request(method, path, json.dumps(body) if body is not None else None, headers)
    answer = connection.getresponse()
    raw = answer.read()
    connection.close()
    told = json.loads(raw) if raw else None
    return Told(status=answer.status, headers=answer.headers, body=told)


def ask_all(port: int, questions: Sequence[Question]) -> list[Told]:
    """All of them at once; the answers in their order."""
    with ThreadPoolExecutor(len(questions)) as pool:
        return list(pool.map(lambda question: ask(port, *question), questions))


def says_away(told: Told) -> bool:
    return (
        told.status == 503
        and told.headers["Content-Type"] == "application/problem+json"
        and int(told.headers["Retry-After"]) > 0
        and told.body["code"] in AWAY
    )


def test_the_api_gives_the_database_less_than_5_s(postgres: TcpProxy) -> None:
    assert wiring.database()._timeout_s < 5


# How Postgres goes away, and after how many bytes of an answer.
WAYS: tuple[tuple[Mood, int], ...] = (
    *(("refuse", 0), ("reset", 0), ("reset", 100)),
    *(("close", 0), ("close", 100), ("hang", 0)),
)


def test_without_postgres_the_api_says_so_in_5_s_and_is_back_at_once(
    world: World, postgres: TcpProxy, api_port: int
) -> None:
    world.ingest("alice/a.jpg", jpeg())
    for mood, answer_bytes in WAYS:
        for _ in range(2):  # without open connections, and with some
            postgres.be(mood, answer_bytes=answer_bytes)
            health, ready, *told = ask_all(api_port, HEALTH + QUESTIONS)
            assert all(map(says_away, told)), (mood, told)
            assert (health.status, health.body["status"], ready.status) == (200, "degraded", 503), mood
            for each in (health, ready):
                assert each.body["checks"]["database"] in AWAY, mood
            postgres.be("pass")
            told = ask_all(api_port, QUESTIONS)
            assert {each.status for each in told} == {200, 201}, mood


def test_a_network_in_crumbs_is_only_slow(world: World, postgres: TcpProxy, api_port: int) -> None:
    world.ingest("alice/a.jpg", jpeg())
    postgres.be("slice")
    assert {told.status for told in ask_all(api_port, QUESTIONS)} == {200, 201}


def test_a_connection_lost_in_a_statement_is_replaced(postgres: TcpProxy, api_port: int) -> None:
    """A read that hangs on an idle connection is run again on a new one after a second."""
    moods: tuple[Mood, ...] = ("reset", "close", "hang")
    for mood in moods:
        postgres.when(b"FROM items", mood)
        for _ in range(2):
            assert ask(api_port, "GET", "/api/v1/items").status == 200, mood


def test_locks_of_a_transaction_that_nobody_will_end_are_free_in_10_s(
    world: World, postgres: TcpProxy, api_port: int
) -> None:
    world.ingest("alice/a.jpg", jpeg())
    postgres.when(b"FOR UPDATE", "hang")
    assert says_away(ask(api_port, "POST", "/api/v1/items/a/reprocess"))
    assert ask(api_port, "POST", "/api/v1/items/a/reprocess").status == 202


def test_40_callers_get_10_connections_at_most_and_nothing_but_answers(
    postgres: TcpProxy, api_port: int
) -> None:
    told = through_all_moods(postgres, lambda: ask(api_port, "GET", "/api/v1/items"), hang_s=4.5)
    assert all(each.status == 200 or says_away(each) for each in told)
    assert {each.status for each in told} == {200, 503}
    assert 5 < postgres.most_open <= 10


@pytest.mark.parametrize("mood", ["refuse", "hang"])
def test_postgres_away_at_the_claim_is_raised_and_healed(
    world: World, postgres: TcpProxy, mood: Mood
) -> None:
    event = world.put("alice/a.jpg", jpeg())
    postgres.be(mood)
    started_at = time.monotonic()
    with pytest.raises(Unavailable):
        world.deliver(event)
    assert time.monotonic() - started_at < 50
    postgres.be("pass")
    world.heal()
    assert world.item("a")["status"] == "READY"


@pytest.mark.parametrize("fate", ["away", "away once committed", "only the answer lost"])
def test_postgres_away_at_the_finish_loses_and_doubles_nothing(
    world: World, postgres: TcpProxy, fate: str
) -> None:
    world.step(world.put("alice/a.jpg", jpeg()))

    def work(claim: Claim) -> WriteResults:
        db = wiring.pipeline_database()
        results = analyze_item(
            claim,
            db=db,
            blobs=wiring.blobs(),
            copies=wiring.local_copies(),
            render=wiring.decoder().render_page,
            analyzer=wiring.analyzer(),
            limits=FileLimits(),
            time_left_s=lambda: 10.0,
        )
        assert results is not None
        if fate == "away":
            postgres.be("refuse")
        else:
            postgres.when(b"COMMIT", "reset", for_all=fate == "away once committed")
        return results

    def finish() -> None:
        world.do_stage("analyze", ALICE_A, work)

    if fate == "only the answer lost":
        finish()
    else:
        with pytest.raises(Unavailable):
            finish()
    postgres.be("pass")
    world.heal()
    assert world.item("a")["status"] == "READY"
    analyzed = 2 if fate == "away" else 1
    assert len(world.providers.analyzed) == analyzed
    assert world.sql("SELECT count(*) FROM analyses") == [(1,)]


def test_an_upload_whose_commit_was_lost_on_the_way_is_one_upload(
    world: World, postgres: TcpProxy, api_port: int
) -> None:
    postgres.when(b"COMMIT", "reset")
    assert ask(api_port, "POST", "/api/v1/uploads", NEW).status == 201
    assert world.sql("SELECT count(*) FROM uploads") == [(1,)]


def test_a_deletion_whose_commit_was_lost_on_the_way_is_done(
    world: World, postgres: TcpProxy, api_port: int
) -> None:
    world.ingest("alice/a.jpg", jpeg())
    postgres.when(b"COMMIT", "reset")
    assert ask(api_port, "DELETE", "/api/v1/items/a").status == 204
    assert (world.objects(), world.sql("SELECT count(*) FROM object_deletions")) == ([], [(0,)])
    assert ask(api_port, "DELETE", "/api/v1/items/a").status == 404
