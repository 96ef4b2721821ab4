"""The app as deployed, in this process: real Postgres, the emulated AWS, providers behind their wire formats.

Nothing is delivered by itself: a test takes events and messages, and hands them to the handlers as often, as late and
in whatever order it likes.
"""

import io
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import monotonic
from types import SimpleNamespace
from typing import Any

import psycopg2
import pytest
from moto.sqs.models import sqs_backends
from msgspec.structs import asdict, replace
from PIL import Image

import app
from chalicelib import wiring
from chalicelib.events import handlers
from chalicelib.model.library.items import ItemRef
from chalicelib.model.work.pipeline import Stage
from chalicelib.model.work.tasks import QUEUES, Claim, TaskRef
from chalicelib.ops.work.engine import run_task
from chalicelib.ops.work.stages import WriteResults, stage_work
from chalicelib.stores.postgres import postgres
from chalicelib.stores.postgres.postgres import Database
from local.base import create_tables
from local.layout import ACCOUNT, REGION
from tests.support.emulated import BUCKET, Emulated
from tests.support.provider_server import Providers

forget_wiring = wiring.forget_all
S3_EVENT = Path(__file__).parent / "events" / "s3_object_created.json"
DEPLOYED_WAITS_S = (wiring.API_DATABASE_S, postgres.CONNECT_S)
Message = dict[str, Any]


def context(remaining_s: float = 100.0) -> Any:
    end_s = monotonic() + remaining_s
    return SimpleNamespace(get_remaining_time_in_millis=lambda: (end_s - monotonic()) * 1000)


@dataclass
class World:
    db: Database
    admin_url: str
    aws: Emulated
    providers: Providers
    _idle: list[Any] = field(default_factory=list, init=False)  # the superuser's connections

    def put(self, key: str, body: bytes) -> dict[str, Any]:
        """PUT an object and return S3's event of it."""
        made = self.aws.client("s3").put_object(Bucket=BUCKET, Key=key, Body=body)
        return self._event(key, len(body), made["ETag"])

    def event_of(self, key: str, size_bytes: int) -> dict[str, Any]:
        """Return S3's event of an object that was just written."""
        return self._event(key, size_bytes, self.aws.client("s3").head_object(Bucket=BUCKET, Key=key)["ETag"])

    def _event(self, key: str, size_bytes: int, etag: str) -> dict[str, Any]:
        event: dict[str, Any] = json.loads(S3_EVENT.read_text())
        event["detail"]["bucket"]["name"] = BUCKET
        event["detail"]["object"] |= {"key": key, "etag": etag.strip('"'), "size": size_bytes}
        event["detail"]["object"]["sequencer"] = f"{self._next():018X}"
        return event

    def deliver(self, event: dict[str, Any], *, remaining_s: float = 100.0) -> None:
        """Hand an event to the dispatcher, or a message to its worker."""
        if "body" in event:
            handlers.tasks_woken({"Records": [event]}, context(remaining_s))
        else:
            handlers.event_received(event, context(remaining_s))

    def messages(self) -> list[Message]:
        """Take the messages out of the queues of work, the delayed ones too, oldest first."""
        taken = []
        for name in QUEUES:
            queue = sqs_backends[ACCOUNT][REGION].get_queue(
                f"collections-{wiring.settings().environment}-{name}"
            )
            with queue._messages_lock:
                taken += queue._messages
                queue._messages = []
        taken.sort(key=lambda message: message.sent_timestamp)
        return [{"messageId": message.id, "body": message.body} for message in taken]

    def step(self, *events: dict[str, Any], remaining_s: float = 100.0) -> None:
        """Deliver these events, and then the messages that wait, once each; not those that follow from them."""
        for event in events:
            self.deliver(event)
        for message in self.messages():
            self.deliver(message, remaining_s=remaining_s)

    def published(self, *, after: int = 0) -> list[dict[str, Any]]:
        """Events the bus has accepted, oldest first."""
        found = self.sql(
            "SELECT id, source, detail_type, detail FROM outbox"
            f" WHERE published_at IS NOT NULL AND id > {after} ORDER BY id"
        )
        return [{"outbox_id": n, "source": s, "detail-type": t, "detail": d} for n, s, t, d in found]

    def run(self, *events: dict[str, Any]) -> None:
        """Deliver these events, the messages that wait and all that follow from them, once each."""
        for event in events:
            self.deliver(event)
        while waiting := self.messages():
            for message in waiting:
                self.deliver(message)

    def task(self, ref: ItemRef, stage: Stage) -> TaskRef:
        """The name of an item's stage."""
        where = f"user_id = '{ref.user_id}' AND item_id = '{ref.item_id}' AND stage = '{stage}'"
        ((task_id,),) = self.sql(f"SELECT id FROM tasks WHERE {where}")
        return TaskRef(user_id=ref.user_id, task_id=task_id, kind=stage)

    def wake(self, ref: ItemRef, stage: Stage, *, remaining_s: float = 100.0) -> None:
        """Deliver a message for an item's stage, whether one was sent or not."""
        body = json.dumps({"task": asdict(self.task(ref, stage))})
        self.deliver({"body": body}, remaining_s=remaining_s)

    def do_stage(self, stage: Stage, ref: ItemRef, op: Callable[[Claim], WriteResults | None]) -> bool:
        """Do an item's stage by this op; return False when it cannot be claimed."""
        work = stage_work(op, bucket=BUCKET)
        db, bus, queues = wiring.pipeline_database(), wiring.bus(), wiring.queues()
        return run_task(self.task(ref, stage), work, db=db, bus=bus, queues=queues)

    def wait(self) -> None:
        """Time passes until all that waits is due; the messages are delivered, and all that follow from them."""
        self.messages()
        self.sql("UPDATE tasks SET run_after = now(), woken_at = NULL WHERE state = 'ready'")
        handlers.minute_passed()
        self.run()

    def ingest(self, key: str, body: bytes) -> None:
        self.run(self.put(key, body))

    def sweep(self) -> None:
        """The sweeper, five minutes from now, and then the relay: what was put just now is old enough to be missed."""
        handlers.five_minutes_passed({"time": (datetime.now(UTC) + timedelta(minutes=5)).isoformat()})
        handlers.minute_passed()

    def heal(self) -> None:
        """Ten minutes pass three times, with the relay, the sweeper and all that they wake."""
        for _ in range(3):
            ago = "- interval '10 min'"
            self.sql(
                f"UPDATE tasks SET woken_at = woken_at {ago}, claimed_at = claimed_at {ago},"
                f" run_after = run_after {ago}, lease_until = lease_until {ago};"
                f"UPDATE outbox SET due_at = due_at {ago}, locked_until = locked_until {ago};"
                f"UPDATE object_deletions SET created_at = created_at {ago}"
            )
            self.sweep()
            self.run()

    def item(self, item_id: str) -> dict[str, Any]:
        (row,) = self.sql(f"SELECT to_jsonb(i) FROM items i WHERE id = '{item_id}'")
        return row[0]

    def sql(self, statement: str) -> list[tuple[Any, ...]]:
        """Run a statement as the superuser and return its rows."""
        connection = self._idle.pop() if self._idle else psycopg2.connect(self.admin_url)
        with connection, connection.cursor() as cursor:
            cursor.execute(statement)
            found = cursor.fetchall() if cursor.description else []
        self._idle.append(connection)
        return found

    def objects(self) -> list[str]:
        listed = self.aws.client("s3").list_objects_v2(Bucket=BUCKET)
        return sorted(found["Key"] for found in listed.get("Contents", ()))

    def make_tables(self) -> None:
        """DynamoDB's, as the settings name them now."""
        settings = wiring.settings()
        names = {"SESSIONS_TABLE": settings.sessions_table, "RATE_LIMITS_TABLE": settings.rate_limits_table}
        if settings.sessions_table not in self.aws.client("dynamodb").list_tables()["TableNames"]:
            create_tables(names, aws_port=self.aws.emulator.port)

    def _next(self) -> int:
        self._count = getattr(self, "_count", 0) + 1
        return self._count


def set_waits(monkeypatch: pytest.MonkeyPatch, answer_s: float, connect_s: float) -> None:
    """Set how long the API waits for Postgres to answer, and the app to connect."""
    monkeypatch.setattr(wiring, "API_DATABASE_S", answer_s)
    monkeypatch.setattr(postgres, "CONNECT_S", connect_s)


def count_no_requests(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the app count no requests against rate limits: it would write to DynamoDB for each.

    For tests of other subjects; those of the limits are in tests/accounts.
    """
    uncounted = {"admit_address": lambda _address, _cost: None, "admit_caller": lambda _caller, _cost: None}
    monkeypatch.setattr(app.app, "edge", lambda: replace(app.edge(), **uncounted))


def jpeg(color: str = "red", size: tuple[int, int] = (64, 48)) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", size, color).save(out, "JPEG")
    return out.getvalue()
