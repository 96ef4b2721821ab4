"""Stores S3 objects on disk, one file each, so that they outlive the process.

A file is one line of JSON (key, headers, etag, sequencer) and then the object's bytes. It is put in place by a
rename, so it is whole or absent even if the process is killed. A power cut may still lose the last files.
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
    """An object's properties besides its bytes. `modified_at` is ISO 8601; `sequencer` has 16 hex digits."""

    bucket: str
    key: str
    etag: str
    size_bytes: int
    modified_at: str
    sequencer: str
    metadata: dict[str, str] = field(default_factory=dict)


class StoredBody:
    """An object's bytes on disk. It is read like an open file, but the file is open only during a read."""

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
        """Do nothing: no file is open between reads."""


class ObjectFiles:
    """The directory of all objects: <root>/<bucket>/<sha-256 of the key>/<sequencer>."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._root.mkdir(parents=True, exist_ok=True)

    def write(self, record: ObjectRecord, body: bytes) -> StoredBody:
        """Store the object. It replaces an earlier object with the same key."""
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
        """Delete the object if it exists."""
        shutil.rmtree(self._directory(bucket, key), ignore_errors=True)

    def load(self, bucket: str) -> Iterator[tuple[ObjectRecord, StoredBody]]:
        """Yield every object of the bucket, in no particular order."""
        for directory in (self._root / bucket).glob("*"):
            # There are two files if the process was killed after it wrote the new one and before it removed the old.
            whole = sorted(path for path in directory.iterdir() if path.name != "partial")
            if whole:
                with whole[-1].open("rb") as file:
                    header = file.readline()
                yield ObjectRecord(**json.loads(header)), StoredBody(whole[-1], len(header))

    def _directory(self, bucket: str, key: str) -> Path:
        return self._root / bucket / hashlib.sha256(key.encode()).hexdigest()
