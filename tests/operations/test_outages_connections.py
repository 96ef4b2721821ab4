"""The pool's connections when the network or the server lets them down."""

import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import pytest

from chalicelib.errors import Unavailable
from chalicelib.stores.postgres import connection
from chalicelib.stores.postgres.postgres import FIRST_ANSWER_S, Database
from tests.support.moods import through_all_moods
from tests.support.tcp_proxy import Mood, TcpProxy
from tests.support.world import World


def meet_in_transactions(db: Database, number: int) -> None:
    """Run that many transactions at once, each with a connection of its own."""
    all_in = threading.Barrier(number)
    with ThreadPoolExecutor(number) as pool:
        running = [pool.submit(db.transact, "alice", lambda tx: all_in.wait(5)) for _ in range(number)]
        assert sorted(thread.result() for thread in running) == list(range(number))


@pytest.mark.parametrize("mood", ["hang", "reset", "close"])
def test_connections_that_died_unnoticed_cost_nobody_an_answer(postgres: TcpProxy, mood: Mood) -> None:
    db = Database(os.environ["DATABASE_URL"], max_size=5, timeout_s=4.0)
    meet_in_transactions(db, 5)
    postgres.be(mood)
    postgres.be("pass")
    assert db.transact("alice", lambda tx: tx.one("SELECT 1 AS one")) == {"one": 1}
    postgres.be(mood)
    postgres.be("pass")
    assert db.read("alice", lambda tx: tx.one("SELECT 1 AS one")) == {"one": 1}
    db.close()


def test_a_read_that_takes_longer_than_a_dead_connection_is_given_is_answered_all_the_same(
    db: Database,
) -> None:
    assert db.read("alice", lambda tx: tx.one("SELECT 1 AS one")) == {"one": 1}
    slow = f"SELECT 1 AS one FROM pg_sleep({FIRST_ANSWER_S + 0.2})"
    assert db.read("alice", lambda tx: tx.one(slow)) == {"one": 1}


def test_no_place_in_the_pool_is_lost(postgres: TcpProxy) -> None:
    db = Database(os.environ["DATABASE_URL"], max_size=10, timeout_s=1.0)

    def work() -> None:
        with suppress(Unavailable):
            db.transact("alice", lambda tx: tx.all("SELECT * FROM items"))

    through_all_moods(postgres, work)
    assert 5 < postgres.most_open <= 10
    meet_in_transactions(db, 10)
    assert postgres.open == 10
    db.close()


def test_a_frozen_process_whose_session_the_server_ended_runs_again(postgres: TcpProxy) -> None:
    db = Database(os.environ["DATABASE_URL"], max_size=1, timeout_s=20)
    runs: list[int] = []

    def work(tx: Any) -> Any:
        runs.append(1)
        if len(runs) == 1:
            tx.run("SET LOCAL idle_in_transaction_session_timeout = '50ms'")
            time.sleep(0.5)
        return tx.one("SELECT 1 AS one")

    assert db.transact("alice", work) == {"one": 1}
    db.close()


def test_a_statement_that_takes_too_long_is_ended_by_the_server_and_the_connection_kept(
    world: World, postgres: TcpProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        connection, "SERVERS_SHARE", 0.1
    )  # a slow machine has 9 s to say that a second is over
    db = Database(os.environ["DATABASE_URL"], max_size=1, timeout_s=10)
    pid = db.transact("alice", lambda tx: tx.one("SELECT pg_backend_pid() AS pid"))
    with pytest.raises(Unavailable) as raised:
        db.transact("alice", lambda tx: tx.one("SELECT pg_sleep(60)"))
    assert raised.value.code == "database_timeout"
    assert world.sql(
        "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(60)%' AND state = 'active'"
        " AND pid <> pg_backend_pid()"
    ) == [(0,)]
    assert db.transact("alice", lambda tx: tx.one("SELECT pg_backend_pid() AS pid")) == pid
    db.close()


def test_large_answers_and_questions_pass(postgres: TcpProxy) -> None:
    db = Database(os.environ["DATABASE_URL"], max_size=1)
    text = "ü" * 5_000_000
    sent = db.transact("alice", lambda tx: tx.one("SELECT length(%(text)s) AS n", text=text))
    rows = db.transact(
        "alice", lambda tx: tx.all("SELECT repeat('x', 1000) AS x FROM generate_series(1, 10000)")
    )
    assert (sent, len(rows), {len(row["x"]) for row in rows}) == ({"n": 5_000_000}, 10_000, {1000})
    db.close()
