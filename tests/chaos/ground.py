"""The ground of the pipeline: a Postgres that can be stopped at once, emulated AWS, providers, and time that passes.

Nobody waits for leases and schedules: a minute passes by moving every timestamp that the pipeline
compares with now a minute back, in Postgres and in S3.
"""

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import psutil
import psycopg2
from moto.s3.models import s3_backends
from moto.sqs.models import sqs_backends
from psycopg2.extras import execute_values

from chalicelib.model.work.tasks import QUEUES
from chalicelib.stores.postgres.migrate import migrate, set_app_password
from local.event_bus import EventBus
from local.layout import ACCOUNT, REGION, aws_environment
from local.postgres import data_path, start_postgres, stop_postgres
from tests.support.emulated import BUCKET, Emulated, emulated_aws
from tests.support.memory import memory_folder
from tests.support.provider_server import DIMENSIONS, Providers, provider_server

Event = dict[str, Any]
A_MINUTE_PASSES = """
    UPDATE tasks SET woken_at = woken_at - m, claimed_at = claimed_at - m, run_after = run_after - m,
        lease_until = lease_until - m FROM (SELECT interval '1 minute' AS m) AS minute;
    UPDATE outbox SET due_at = due_at - m, locked_until = locked_until - m
        FROM (SELECT interval '1 minute' AS m) AS minute WHERE published_at IS NULL;
    UPDATE object_deletions SET created_at = created_at - interval '1 minute'"""
# What idle_in_transaction_session_timeout does to the sessions of a worker that stands still.
TIME_OUT_SESSIONS = """
    SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity
    WHERE state LIKE 'idle in transaction%' AND client_port = ANY (ARRAY[{ports}]::int[])"""


class ListeningBus(EventBus):
    """EventBridge that hands no event to a function: the driver takes them. Some entries it refuses."""

    def __init__(self, refuses: Callable[[], bool]) -> None:
        super().__init__(lambda arn, payload: None)
        self._refuses = refuses
        self._lock = threading.Lock()
        self._taken: list[Event] = []
        self.accepted = 0

    def put_events(self, entries: list[Event]) -> list[Event]:
        refusal = {"ErrorCode": "InternalFailure", "ErrorMessage": "Try again."}
        answers = [refusal if self._refuses() else self._put(entry) for entry in entries]
        self.accepted += sum("EventId" in answer for answer in answers)
        return answers

    def publish(self, event: Event, *, bus: str = "default") -> None:
        with self._lock:
            self._taken.append(event)

    def take(self) -> list[Event]:
        """The events since last asked: S3's own and those the pipeline has published."""
        with self._lock:
            taken, self._taken = self._taken, []
        return taken


class WorkQueue:
    """A queue as its consumer sees it. `sent` counts the messages that it was ever sent."""

    def __init__(self, name: str) -> None:
        self._queue = sqs_backends[ACCOUNT][REGION].get_queue(f"collections-local-{name}")
        self._add = self._queue.add_message
        self._queue.add_message = self._count_and_add  # type: ignore[method-assign]
        self.sent = 0

    def visible(self) -> list[Any]:
        """The messages that may be received now, oldest first."""
        return list(self._queue.messages)

    def all(self) -> list[Any]:
        """Also those that are delayed, and those that a worker has."""
        return list(self._queue._messages)

    def receive(self, message: Any) -> None:
        message.mark_received(visibility_timeout=self._queue.visibility_timeout)

    def delete(self, message: Any) -> None:
        with self._queue._messages_lock:
            self._queue._messages = [each for each in self._queue._messages if each is not message]

    def pass_a_minute(self) -> None:
        for message in self.all():
            message.visible_at -= 60_000
            message.delayed_until -= 60_000

    def _count_and_add(self, message: Any) -> None:
        self.sent += 1
        self._add(message)


class Ground:
    def __init__(self, state: Path, aws: Emulated, providers: Providers, bus: ListeningBus) -> None:
        self._state = state
        self._port = 0
        self.aws = aws
        self._s3 = aws.client("s3")
        self.providers = providers
        self.bus = bus
        self.worker_log = state / "logs" / "workers.log"
        self.start_postgres()
        migrate(self._url)
        set_app_password(self._url, "test")
        self.queues = {name: WorkQueue(name) for name in QUEUES}
        # Without fsync the server would also acknowledge commits early; a crash is to lose none.
        self.sql("ALTER DATABASE collections SET synchronous_commit = on")

    @property
    def environment(self) -> dict[str, str]:
        """The environment variables of the workers."""
        return {
            **aws_environment(self.aws.emulator.port),
            "ENVIRONMENT": "local",
            "DATABASE_URL": self._url.replace("//postgres@", "//collections_app:test@"),
            "DATABASE_POOL_SIZE": "2",
            "IMAGES_BUCKET": BUCKET,
            "EMBEDDINGS_URL": f"{self.providers.url}/v1",
            "EMBEDDING_MODEL": "test-embedding",
            "EMBEDDING_DIMENSIONS": str(DIMENSIONS),
            "ANALYZER_URL": self.providers.url,
            "CHAT_PROVIDER": "none",
            "ANONYMOUS_USER": "alice",
        }

    def start_postgres(self) -> None:
        self._url = start_postgres(self._state, self._port, fsync=False)
        self._port = int(self._url.rpartition(":")[2].partition("/")[0])
        self._connection = psycopg2.connect(self._url)
        self._connection.autocommit = True

    def crash_postgres(self) -> None:
        """Immediate shutdown: every session ends where it is, and the next start recovers."""
        postmaster = (data_path(self._state) / "postmaster.pid").read_text().split()[0]
        os.kill(int(postmaster), signal.SIGQUIT)
        self._connection.close()
        stop_postgres(self._state)

    def sql(self, statement: str) -> list[tuple[Any, ...]]:
        """Execute a statement as the superuser and return its rows; a change has none."""
        with self._connection.cursor() as cursor:
            cursor.execute(statement)
            return cursor.fetchall() if cursor.description else []

    def insert(self, statement: str, rows: list[tuple[Any, ...]]) -> None:
        """Execute with all rows in place of VALUES %s."""
        with self._connection.cursor() as cursor:
            execute_values(cursor, statement, rows, page_size=1000)

    def put(self, key: str, body: bytes) -> None:
        self._s3.put_object(Bucket=BUCKET, Key=key, Body=body)

    def objects(self) -> set[str]:
        return set(s3_backends[ACCOUNT]["aws"].buckets[BUCKET].keys)

    def time_out_sessions(self, pid: int) -> None:
        """End the transactions of a process that has stood still for a minute, on its own clock."""
        ports = [connection.laddr.port for connection in psutil.Process(pid).net_connections(kind="tcp")]
        self.sql(TIME_OUT_SESSIONS.format(ports=", ".join(map(str, ports))))

    def pass_a_minute(self) -> None:
        self.sql(A_MINUTE_PASSES)
        for queue in self.queues.values():
            queue.pass_a_minute()
        for key in s3_backends[ACCOUNT]["aws"].buckets[BUCKET].keys.values():
            key.last_modified -= timedelta(minutes=1)


@contextmanager
def ground(*, refuses: Callable[[], bool] = lambda: False) -> Iterator[Ground]:
    """All of it, in a directory of its own that is gone afterwards."""
    with memory_folder("collections-chaos-") as folder:
        state = Path(folder)
        with emulated_aws(state) as aws, provider_server() as providers:
            bus = aws.emulator.bus = ListeningBus(refuses)
            made = Ground(state, aws, providers, bus)
            try:
                yield made
            finally:
                stop_postgres(state)
