"""Imports whose worker is overtaken: what it still does after another one has its run is not kept."""

from collections.abc import Iterator

import pytest

from chalicelib.ops.jobs.import_zip import ExportZip
from tests.jobs.test_exports import download
from tests.support.running import Runner
from tests.support.world import jpeg


def test_a_worker_that_is_overtaken_while_it_reads_the_zip_writes_no_line_and_no_item(
    runner: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = runner.world
    for name in ("there", "gone"):
        world.ingest(f"alice/{name}.jpg", jpeg("red" if name == "there" else "blue"))
    made = runner.begin(kind="export")
    runner.settle()
    archive = download(runner, runner.run(made))
    assert runner("DELETE", "/api/v1/items/gone")[0] == 204
    run_id = runner.begin(kind="import")
    assert archive.fp is not None
    archive.fp.seek(0)
    event = runner.send(run_id, archive.fp.read(), filename="export.zip")
    read = ExportZip.read

    def overtaken(export: ExportZip, name: str) -> Iterator[bytes]:
        world.sql("UPDATE tasks SET token = gen_random_uuid() WHERE stage = 'job' AND state = 'running'")
        return read(export, name)

    with monkeypatch.context() as patched:
        patched.setattr(ExportZip, "read", overtaken)
        world.run(event)
    begun = "SELECT count(*) FROM run_files WHERE started_at IS NOT NULL OR outcome IS NOT NULL"
    assert world.sql(f"{begun}") == [(2,)], "those of the export"
    assert world.sql("SELECT id FROM items") == [("there",)]
    assert runner.run(run_id)["counts"] | {"done": 0, "skipped": 0} == runner.run(run_id)["counts"]
    world.heal()
    runner.settle()
    run = runner.run(run_id)
    assert (run["state"], run["counts"]["done"], run["counts"]["skipped"]) == ("succeeded", 1, 1)
