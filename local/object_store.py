"""Writes every change in moto's S3 to disk, and makes the events that S3 would send to EventBridge."""

import secrets
import threading
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from moto.s3.models import FakeKey, s3_backends

from local.layout import ACCOUNT, REGION
from local.object_files import ObjectFiles, ObjectRecord

# S3's event name -> the API that created the object, as EventBridge names it.
_REASONS = {
    "s3:ObjectCreated:Put": "PutObject",
    "s3:ObjectCreated:Post": "POST Object",
    "s3:ObjectCreated:Copy": "CopyObject",
    "s3:ObjectCreated:CompleteMultipartUpload": "CompleteMultipartUpload",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class _Change:
    name: str
    bucket: Any
    key: Any
    sequencer: str


class ObjectStore:
    """Collects the changes of a request, and writes them to disk before the response is sent.

    Of an object with versions only the current version is stored. Tags, access lists and checksums are not stored.
    """

    def __init__(self, files: ObjectFiles) -> None:
        self._files = files
        self._request = threading.local()
        self._lock = threading.Lock()
        self._sequencer_lock = threading.Lock()
        self._last_sequencer = 0

    def load(self, bucket_name: str) -> int:
        """Put the objects on disk into the bucket, without events. Return their number."""
        count = 0
        backend = s3_backends[ACCOUNT]["aws"]
        for record, body in self._files.load(bucket_name):
            key = backend.put_object(
                bucket_name, record.key, b"", etag=record.etag.strip('"'), disable_notification=True
            )
            key.set_metadata(dict(record.metadata))
            key.last_modified = datetime.fromisoformat(record.modified_at)
            key.contentsize = record.size_bytes
            key._value_buffer = body  # type: ignore[assignment]
            self._last_sequencer = max(self._last_sequencer, int(record.sequencer, 16))
            count += 1
        return count

    def note(self, name: str, bucket: Any, key: Any) -> None:
        """Record one change of the current request. `name` is S3's event name, such as s3:ObjectCreated:Put."""
        if name in _REASONS or name.startswith("s3:ObjectRemoved"):
            changes = self._request.__dict__.setdefault("changes", [])
            changes.append(_Change(name=name, bucket=bucket, key=key, sequencer=self._next_sequencer()))

    def settle(self, *, source_ip: str) -> list[dict[str, Any]]:
        """Write the request's changes to disk. Return the events that S3 sends for them."""
        changes: list[_Change] = self._request.__dict__.pop("changes", [])
        # A multipart upload records a Put and then its completion: only the last change of a key counts.
        for change in (last := {(c.bucket.name, c.key.name): c for c in changes}).values():
            self._write_through(change)
        return [
            _object_created(change, source_ip=source_ip)
            for change in last.values()
            if change.name in _REASONS
            and change.bucket.notification_configuration is not None
            and change.bucket.notification_configuration.event_bridge is not None
        ]

    def _write_through(self, change: _Change) -> None:
        with self._lock:
            # Another request may have changed the key meanwhile: the current object must be on disk.
            key = change.bucket.keys.get(change.key.name)
            if not isinstance(key, FakeKey):
                self._files.remove(change.bucket.name, change.key.name)
                return
            record = ObjectRecord(
                bucket=change.bucket.name,
                key=key.name,
                etag=key.etag,
                size_bytes=key.size,
                modified_at=key.last_modified.isoformat(),
                sequencer=self._next_sequencer(),
                metadata={name: str(value) for name, value in key.metadata.items()},
            )
            body = self._files.write(record, key.value)
            with key.lock:
                key._value_buffer.close()
                # moto would keep every object, and the parts of multipart uploads, in memory or in open files.
                key._value_buffer = body  # type: ignore[assignment]
                if key.multipart is not None:
                    key.multipart.dispose()
                    key.multipart.parts.clear()

    def _next_sequencer(self) -> str:
        with self._sequencer_lock:
            self._last_sequencer = max(self._last_sequencer + 1, time.time_ns())
            return f"{self._last_sequencer:016X}"


def _object_created(change: _Change, *, source_ip: str) -> dict[str, Any]:
    """Return the event in the form of the S3 user guide, "EventBridge event message structure"."""
    s3_object = {
        "key": change.key.name,
        "size": change.key.size,
        "etag": change.key.etag.strip('"'),
        "sequencer": change.sequencer,
    }
    if change.bucket.is_versioned:
        s3_object["version-id"] = change.key.version_id
    return {
        "version": "0",
        "id": str(uuid4()),
        "detail-type": "Object Created",
        "source": "aws.s3",
        "account": ACCOUNT,
        "time": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "region": REGION,
        "resources": [f"arn:aws:s3:::{change.bucket.name}"],
        "detail": {
            "version": "0",
            "bucket": {"name": change.bucket.name},
            "object": s3_object,
            "request-id": secrets.token_hex(8).upper(),
            "requester": ACCOUNT,
            "source-ip-address": source_ip,
            "reason": _REASONS[change.name],
        },
    }
