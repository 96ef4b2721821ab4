"""The app as deployed, in this process: real Postgres, the emulated AWS, providers behind their wire formats.

Nothing is delivered by itself: a test takes the events that went out and hands them to the
handlers as often, as late and in whatever order it likes.
"""

import io
import json
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import monotonic
from types import SimpleNamespace
from typing import Any

import psycopg2
import pytest
from msgspec.structs import replace
from PIL import Image

import app
from chalicelib import wiring
from chalicelib.events import handlers
from chalicelib.stores.postgres.postgres import Database
from local.base import create_tables
from tests.support.emulated import BUCKET, Emulated
from tests.support.provider_server import Providers

forget_wiring = wiring.forget_all
S3_EVENT = Path(__file__).parent / "events" / "s3_object_created.json"
HANDLERS = {
    "Object Created": handlers.object_created,
    "ImageProcessed": handlers.item_processed,
    "DocumentProcessed": handlers.item_processed,
    "AnalysisComplete": handlers.analysis_complete,
    "RunQueued": handlers.run_queued,
}


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
        etag = self.aws.client("s3").put_object(Bucket=BUCKET, Key=key, Body=body)["ETag"].strip('"')
        event: dict[str, Any] = json.loads(S3_EVENT.read_text())
        event["detail"]["bucket"]["name"] = BUCKET
        event["detail"]["object"] |= {"key": key, "etag": etag, "size": len(body)}
        event["detail"]["object"]["sequencer"] = f"{self._next():018X}"
        return event

    def deliver(self, event: dict[str, Any], *, remaining_s: float = 100.0) -> None:
        HANDLERS[event["detail-type"]](event, context(remaining_s))

    def published(self, *, after: int = 0) -> list[dict[str, Any]]:
        """Events the bus has accepted, oldest first."""
        found = self.sql(
            "SELECT id, source, detail_type, detail FROM outbox"
            f" WHERE published_at IS NOT NULL AND id > {after} ORDER BY id"
        )
        return [{"outbox_id": n, "source": s, "detail-type": t, "detail": d} for n, s, t, d in found]

    def run(self, *events: dict[str, Any]) -> None:
        """Deliver these events and all that follow from them, once each."""
        seen = max((event["outbox_id"] for event in self.published()), default=0)
        waiting = list(events)
        while waiting:
            for event in waiting:
                self.deliver(event)
            waiting = [e for e in self.published(after=seen) if e["detail-type"] in HANDLERS]
            seen = max((event["outbox_id"] for event in self.published()), default=seen)

    def ingest(self, key: str, body: bytes) -> None:
        self.run(self.put(key, body))

    def sweep(self) -> None:
        """The sweeper, five minutes from now: what was put just now is old enough to be missed."""
        handlers.five_minutes_passed({"time": (datetime.now(UTC) + timedelta(minutes=5)).isoformat()})

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
            seen = max((event["outbox_id"] for event in self.published()), default=0)
            handlers.minute_passed()
            self.sweep()
            self.run(*[e for e in self.published(after=seen) if e["detail-type"] in HANDLERS])

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


def count_no_requests(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the app count no requests against rate limits: it would write to DynamoDB twice for each.

    For tests of other subjects; those of the limits are in tests/accounts.
    """
    uncounted = {"admit_address": lambda _address, _cost: None, "admit_caller": lambda _caller, _cost: None}
    monkeypatch.setattr(app.app, "edge", lambda: replace(app.edge(), **uncounted))


def jpeg(color: str = "red", size: tuple[int, int] = (64, 48)) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", size, color).save(out, "JPEG")
    return out.getvalue()
