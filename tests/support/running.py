"""Jobs and their runs as a test uses them: over the API, with the file sent as a client would."""

import io
import zipfile
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import pytest

from chalicelib.events import handlers
from tests.support.library_api import Api, upload
from tests.support.world import World

RUNS = "/api/v1/runs"


@dataclass
class Runner:
    world: World
    api: Api

    def __call__(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        status, answer, _ = self.api(method, path, body)
        return status, answer

    def begin(self, *, run: dict[str, Any] | None = None, **job: Any) -> str:
        """Make a job and begin a run of it; return the run's id."""
        status, made = self("POST", "/api/v1/jobs", {"name": "a job", **job})
        assert status == 201, made
        status, begun = self("POST", RUNS, {"job_id": made["id"], **(run or {})})
        assert status == 201, begun
        return str(begun["id"])

    def send(self, run_id: str, body: bytes, *, filename: str = "photo.jpg") -> dict[str, Any]:
        """Send the run's file by its form; return S3's event of it, which is not delivered."""
        status, place = self("GET", f"{RUNS}/{run_id}/upload-url?filename={filename}")
        assert status == 200, place
        upload(place, body)
        return self.world.event_of(place["key"], len(body))

    def give(self, run_id: str, body: bytes, *, filename: str = "photo.jpg") -> None:
        """Send the run's file, and let everything happen that follows."""
        self.world.run(self.send(run_id, body, filename=filename))
        self.settle()

    def settle(self) -> None:
        """Time passes until no run gets any further: it has ended, or waits for something else than its files."""
        seen, unchanged = self._progress(), 0
        while unchanged < 2:  # a look begins files, and the next one ends them
            self.look()
            before, seen = seen, self._progress()
            unchanged = unchanged + 1 if seen == before else 0

    def _progress(self) -> list[tuple[Any, ...]]:
        return self.world.sql("SELECT run_id, state, done, failed, skipped FROM job_runs ORDER BY 1")

    def look(self) -> None:
        """The drivers look once after their runs, and all that follows happens."""
        self.world.sql(
            "UPDATE tasks SET run_after = now(), woken_at = NULL WHERE state = 'ready' AND stage = 'job'"
            " AND run_after < now() + interval '1 minute'"
        )
        handlers.minute_passed()
        self.world.run()

    def run(self, run_id: str) -> dict[str, Any]:
        status, shown = self("GET", f"{RUNS}/{run_id}")
        assert status == 200, shown
        return dict(shown)

    def files(self, run_id: str) -> list[dict[str, Any]]:
        return list(self("GET", f"{RUNS}/{run_id}/items?limit=1000")[1]["data"])

    def outcomes(self, run_id: str) -> dict[str, tuple[str | None, str | None]]:
        """Return (outcome, code) of each file by its name."""
        return {file["name"]: (file["outcome"], file["code"]) for file in self.files(run_id)}


@pytest.fixture
def runner(world: World, api: Api) -> Runner:
    return Runner(world=world, api=api)


def zipped(files: Iterable[tuple[str, bytes]], *, method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """Return an archive of these files, in this order; a name may come twice."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        for name, body in files:
            info = zipfile.ZipInfo(name)
            info.compress_type = method
            archive.writestr(info, body)
    return out.getvalue()
