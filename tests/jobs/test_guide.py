"""The commands of the guide run as our documentation has them, over HTTP, against the served app."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from chalicelib.model.jobs.kinds import KINDS
from tests.support.emulated import BUCKET
from tests.support.running import zipped
from tests.support.served import served_app
from tests.support.world import World, jpeg

PAGE = (Path(__file__).parents[2] / "docs" / "jobs.md").read_text()


def test_the_page_describes_each_kind() -> None:
    jobs = PAGE.partition("\n## Jobs")[2].partition("\n## ")[0]
    assert re.findall(r"^\| `(\w+)`[^|\n]*\|[^|\n]*\|[^|\n]*\|$", jobs, re.MULTILINE) == [*KINDS]


@pytest.mark.skipif(shutil.which("curl") is None, reason="no curl")
def test_the_commands_of_the_guide(world: World, tmp_path: Path) -> None:
    guide, ours, export, restore = re.findall(r"^```sh\n(.*?)```", PAGE, re.MULTILINE | re.DOTALL)
    commands = [line for line in re.split(r"\n(?=curl)", guide) if line.strip()]
    field = 'field() { python3 -c "import json, sys; print(json.load(sys.stdin)[sys.argv[1]])" "$@"; }\n'
    (tmp_path / "trip.zip").write_bytes(zipped([("a.jpg", jpeg())]))
    with served_app() as served:
        url = f"URL={served.url}\n"

        def shell(text: str) -> str:
            ran = subprocess.run(
                ["bash", "-ec", url + field + text], cwd=tmp_path, capture_output=True, text=True, timeout=60
            )
            assert ran.returncode == 0, ran.stderr
            return ran.stdout

        answers = [json.loads(shell(command)) for command in commands]
        assert answers[0]["status"] in ("healthy", "degraded")
        assert answers[1]["job_kinds"] == sorted(KINDS)
        assert (answers[2]["name"], answers[2]["description"], answers[2]["kind"]) == (
            "test-job",
            "Test job",
            "ingest",
        )
        shell(ours)
        assert json.loads(shell(export))["kind"] == "export"
        while not (zips := [key for key in world.objects() if key.endswith("/export.zip")]):
            world.wait()
        stored = world.aws.client("s3").get_object(Bucket=BUCKET, Key=zips[0])
        (tmp_path / "export.zip").write_bytes(stored["Body"].read())
        assert json.loads(shell(restore))["object"] == "list"
    world.sweep()
    world.run()
    assert world.sql("SELECT count(*) FROM job_runs WHERE kind = 'import' AND input_key IS NOT NULL") == [
        (1,)
    ]
    uploaded = "SELECT name FROM run_files JOIN job_runs USING (user_id, run_id) WHERE kind = 'ingest'"
    assert world.sql(uploaded) == [("a.jpg",)]
