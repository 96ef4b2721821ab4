"""Measures what the pipeline itself costs a photo: CPU of its workers and of Postgres, transactions, statements, WAL.

Photos of 64 x 48 pixels go through the three stages, one message after the other. The emulated AWS and the providers'
stand-ins answer over HTTP from other threads, and the decoder is another process: none of them is counted. So what is
left is the app's own code with boto3 and psycopg2.
"""

import argparse
import io
import os
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import Any

from botocore.client import BaseClient
from PIL import Image

from bench.figures import note
from bench.server import cpu_s, server_of
from chalicelib import wiring
from chalicelib.stores.postgres import connection
from chalicelib.stores.postgres.migrate import migrate, set_app_password
from chalicelib.stores.postgres.postgres import Database
from local.layout import aws_environment
from local.postgres import start_postgres, stop_postgres
from tests.support.emulated import BUCKET, TABLES, emulated_aws
from tests.support.memory import memory_folder
from tests.support.provider_server import DIMENSIONS, provider_server
from tests.support.world import World


@contextmanager
def pipeline() -> Iterator[World]:
    """Yield the app as deployed on an emulated AWS and a Postgres of its own, whose commits are synchronous."""
    with memory_folder("collections-bench-") as folder:
        state = Path(folder)
        url = start_postgres(state, 0)
        migrate(url)
        set_app_password(url, "bench")
        app_url = url.replace("//postgres@", "//collections_app:bench@")
        with emulated_aws(state) as aws, provider_server() as providers:
            os.environ |= {
                **aws_environment(aws.emulator.port),
                "ENVIRONMENT": "local",
                "DATABASE_URL": app_url,
                "DATABASE_POOL_SIZE": "5",
                "IMAGES_BUCKET": BUCKET,
                "EMBEDDINGS_URL": f"{providers.url}/v1",
                "EMBEDDING_MODEL": "test-embedding",
                "EMBEDDING_DIMENSIONS": str(DIMENSIONS),
                "ANALYZER_URL": providers.url,
                "CHAT_PROVIDER": "none",
                "ANONYMOUS_USER": "alice",
                "SESSION_SECRET": "of-the-benchmarks-and-known-to-everybody",
                **TABLES,
            }
            wiring.forget_all()
            db = Database(app_url, max_size=5)
            try:
                yield World(db=db, admin_url=url, aws=aws, providers=providers)
            finally:
                db.close()
                wiring.decoder().close()
                wiring.forget_all()
                stop_postgres(state)


def photos(count: int) -> list[tuple[str, bytes]]:
    """Return names and JPEGs, no two of the same bytes."""
    made = []
    for number in range(count):
        out = io.BytesIO()
        pixels = Random(number).randbytes(8 * 6 * 3)  # noqa: S311
        Image.frombytes("RGB", (8, 6), pixels).resize((64, 48)).save(out, "JPEG")
        made.append((f"{number}.jpg", out.getvalue()))
    return made


class Statements:
    """Counts the statements that are sent to Postgres, by their first words."""

    def __init__(self) -> None:
        self.counted: Counter[str] = Counter()
        execute = connection.Cursor.execute

        def counting(cursor: Any, statement: str, values: Any = None) -> None:
            text = statement.decode() if isinstance(statement, bytes) else statement
            self.counted[" ".join(text.split())[:100]] += 1
            execute(cursor, statement, values)

        connection.Cursor.execute = counting  # type: ignore[method-assign, assignment]


class Calls:
    """Counts the calls of AWS, and the CPU of boto3 in them."""

    def __init__(self) -> None:
        self.count, self.seconds = 0, 0.0
        call = BaseClient._make_api_call

        def counting(client: Any, *given: Any) -> Any:
            began = time.thread_time()
            try:
                return call(client, *given)
            finally:
                self.count += 1
                self.seconds += time.thread_time() - began

        BaseClient._make_api_call = counting


class Server:
    """The Postgres of a world: CPU, transactions and log of all its processes so far."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._server = server_of(world.admin_url)

    def seconds(self) -> float:
        return cpu_s(self._server)

    def commits(self) -> int:
        self._world.sql("SELECT pg_stat_force_next_flush()")
        ((commits,),) = self._world.sql(
            "SELECT xact_commit FROM pg_stat_database WHERE datname = current_database()"
        )
        return int(commits)

    def log_bytes(self) -> int:
        ((written,),) = self._world.sql("SELECT pg_current_wal_insert_lsn() - '0/0'")
        return int(written)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.pipeline", description=__doc__)
    parser.add_argument("--photos", type=int, default=60)
    parser.add_argument("--statements", action="store_true", help="list the statements a photo")
    arguments = parser.parse_args()
    with pipeline() as world:
        warm = 5
        events = [world.put(f"alice/{name}", body) for name, body in photos(arguments.photos + warm)]
        world.run(*events[:warm])
        server, statements = Server(world), Statements()
        before = server.seconds(), server.log_bytes()
        worker_s, calls = 0.0, Calls()
        for event in events[warm:]:
            waiting: list[Any] = [event]
            while waiting:
                for message in waiting:
                    began = time.thread_time()
                    world.deliver(message)
                    worker_s += time.thread_time() - began
                waiting = world.messages()
        count = arguments.photos
        postgres_ms = (server.seconds() - before[0]) * 1000 / count
        wal = (server.log_bytes() - before[1]) / count
        ((ready,),) = world.sql("SELECT count(*) FROM items WHERE status = 'READY'")
        assert ready == count + warm, ready
    worker_ms = worker_s * 1000 / count
    commits = statements.counted["COMMIT"] / count
    sent = sum(statements.counted.values()) / count
    if arguments.statements:
        for text, number in statements.counted.most_common():
            print(f"{number / count:6.2f}  {text}")
    aws_ms, aws_calls = calls.seconds * 1000 / count, calls.count / count
    print(
        f"{count} photos: {worker_ms + postgres_ms:.1f} CPU ms a photo (workers {worker_ms:.1f}, of which boto3"
        f" {aws_ms:.1f} in {aws_calls:.0f} calls; Postgres {postgres_ms:.1f}), {commits:.1f} transactions,"
        f" {sent:.1f} statements, {wal / 1024:.1f} KiB of log"
    )
    return (
        0
        if all([note("pipeline.cpu_ms", worker_ms + postgres_ms), note("pipeline.transactions", commits)])
        else 1
    )


if __name__ == "__main__":
    sys.exit(main())
