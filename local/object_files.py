"""Keeps S3 objects on disk, one file each, so that they outlive the process.

A file is one line of JSON (key, headers, etag, sequencer) and then the object's bytes. It appears by a
rename, so it is whole or absent whenever the process is killed; a power cut may still lose the last ones.
"""

import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path


@dataclass(frozen=True, kw_only=True, slots=True)
class ObjectRecord:
    """What S3 knows of an object besides its bytes. `modified_at` is ISO 8601; `sequencer` 16 hex digits."""

    bucket: str
    key: str
    etag: str
    size_bytes: int
    modified_at: str
    sequencer: str
    metadata: dict[str, str] = field(default_factory=dict)


class StoredBody:
    """An object's bytes on disk, read like an open file but holding none open."""

    def __init__(self, path: Path, start: int) -> None:
        self._path = path
        self._start = start
        self._position = 0

    def seek(self, position: int) -> None:
        self._position = position

    def read(self, size: int = -1) -> bytes:
        with self._path.open("rb") as file:
            file.seek(self._start + self._position)
            data = file.read(size)
        self._position += len(data)
        return data

    def close(self) -> None:
        """Nothing is open between reads."""


class ObjectFiles:
    """The directory of all objects: <root>/<bucket>/<sha-256 of the key>/<sequencer>."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._root.mkdir(parents=True, exist_ok=True)

    def write(self, record: ObjectRecord, body: bytes) -> StoredBody:
        """Keep the object, in place of an earlier one of its key."""
        directory = self._directory(record.bucket, record.key)
        directory.mkdir(parents=True, exist_ok=True)
        header = json.dumps(asdict(record)).encode() + b"\n"
        path = directory / record.sequencer
        partial = directory / "partial"
        with partial.open("wb") as file:
            file.write(header)
            file.write(body)
        os.replace(partial, path)
        for other in directory.iterdir():
            if other != path:
                other.unlink()
        return StoredBody(path, len(header))

    def remove(self, bucket: str, key: str) -> None:
        """Forget the object; nothing happens when there is none."""
        shutil.rmtree(self._directory(bucket, key), ignore_errors=True)

    def load(self, bucket: str) -> Iterator[tuple[ObjectRecord, StoredBody]]:
        """Every object of the bucket, in no order."""
        for directory in (self._root / bucket).glob("*"):
            # Two files: the process was killed between writing the new and removing the old.
            whole = sorted(path for path in directory.iterdir() if path.name != "partial")
            if whole:
                with whole[-1].open("rb") as file:
                    header = file.readline()
                yield ObjectRecord(**json.loads(header)), StoredBody(whole[-1], len(header))

    def _directory(self, bucket: str, key: str) -> Path:
        return self._root / bucket / hashlib.sha256(key.encode()).hexdigest()
