"""The whole product as its user starts it: killed in the middle, started again, and what the README promises of it."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

from local.children import free_port
from local.layout import Ports
from local.models.classifier import ImageClassifier
from tests.local.running import (
    PROJECT,
    README,
    Running,
    assert_shown,
    eventually,
    five_free_ports,
    kill_in_the_middle,
    make_run,
    read_until,
    start,
)
from tests.support.databases import rows

BUCKET = "collections-images-local-000000000000"
ENDED_WITHIN_S = 600
END = "--- end of block"


@pytest.fixture(scope="module")
def stack() -> Iterator[Running]:
    """Run what the README's first block runs."""
    with TemporaryDirectory(prefix="collections-test-", ignore_cleanup_errors=True) as folder:
        port, state = five_free_ports(), Path(folder) / "my state"
        running = make_run(port, state)
        printed = "".join(read_until(running, "16 of 16 ready"))
        yield Running(ports=Ports(api=port), state=state, printed=printed)
        os.killpg(running.pid, signal.SIGINT)  # as a terminal sends Ctrl-C
        printed, _ = running.communicate(timeout=300)
        assert printed.rstrip().endswith("stopping"), printed
        assert (state / "samples-are-loaded").exists()


@pytest.mark.slow
def test_a_demo_ends_well_after_a_run_that_was_killed_and_one_that_was_stopped() -> None:
    with TemporaryDirectory(prefix="collections-test-", ignore_cleanup_errors=True) as folder:
        port, state = five_free_ports(), Path(folder) / "my state"
        kill_in_the_middle("run", port, state)
        stopped = start("run", port, state)
        read_until(stopped, r"\d+ of 16 ready")
        stopped.send_signal(signal.SIGINT)
        assert stopped.wait(300) == 0
        demo = start("demo", port, state)
        printed, _ = demo.communicate(timeout=ENDED_WITHIN_S)
        assert demo.returncode == 0, printed
        assert "16 of 16 ready" in printed


def test_the_samples_are_all_ready_and_none_twice(stack: Running) -> None:
    listed = stack.get("/api/v1/items?limit=100")["data"]
    names = sorted(
        path.name
        for path in (PROJECT / "samples").iterdir()
        if path.suffix in (".jpg", ".png", ".webp", ".pdf")
    )
    assert sorted(item["name"] for item in listed if item["status"] == "READY") == names


def test_the_guides_sql_returns_rows_as_written(stack: Running) -> None:
    (item_id,) = stack.sql("SELECT id FROM items WHERE kind = 'image' ORDER BY id LIMIT 1")[0]
    assert stack.sql(f"SELECT * FROM items WHERE id = '{item_id}'")
    assert stack.sql(f"SELECT id, item_id, category, summary FROM analyses WHERE item_id = '{item_id}'")
    found = stack.sql(
        f"SELECT id, item_id, embedding_model, embedding_dimensions FROM embeddings WHERE item_id = '{item_id}'"
    )
    assert {(model, dimensions) for _, _, model, dimensions in found} == {
        ("minilm-e5-small", 768),
        (ImageClassifier.vector_model, 1082),
    }


def test_a_hand_made_put_events_drives_the_analyzer(stack: Running) -> None:
    """The object's own event is lost: the bucket sends none while it is put."""
    s3 = stack.client("s3")
    s3.put_bucket_notification_configuration(Bucket=BUCKET, NotificationConfiguration={})
    s3.upload_file(str(PROJECT / "samples" / "scan0007.jpg"), BUCKET, "user123/test.jpg")
    s3.put_bucket_notification_configuration(
        Bucket=BUCKET, NotificationConfiguration={"EventBridgeConfiguration": {}}
    )
    assert stack.sql("SELECT * FROM items WHERE id = 'test'") == []
    detail = {"item_id": "test", "user_id": "user123", "bucket": BUCKET, "original_key": "user123/test.jpg"}
    entry = {
        "Source": "collections.imageprocessor",
        "DetailType": "ImageProcessed",
        "Detail": json.dumps(detail),
    }
    assert stack.client("events").put_events(Entries=[entry])["FailedEntryCount"] == 0
    eventually(lambda: stack.sql("SELECT * FROM analyses WHERE item_id = 'test'"))
    eventually(lambda: stack.sql("SELECT * FROM items WHERE id = 'test' AND status = 'READY'"))


def test_make_run_prints_what_the_readme_shows(stack: Running) -> None:
    last = re.sub(r"(Loading the samples: .*\n)+(?=Loading)", "", stack.printed)  # a terminal shows one line
    assert_shown(README[0].shown, last, stack)


def test_the_readmes_session_works(stack: Running, tmp_path: Path) -> None:
    """All of its blocks but the first, in one shell, on a machine that has little besides curl and python3."""
    clone, programs = tmp_path / "my clone", tmp_path / "bin"
    clone.mkdir()
    (clone / "samples").symlink_to(PROJECT / "samples")
    programs.mkdir()
    (programs / "python3").symlink_to(Path(sys.executable).resolve())
    for name in ("sh", "curl", "cp", "grep", "sleep", "tee"):
        program = shutil.which(name)
        assert program, f"{name} is missing here"
        (programs / name).symlink_to(program)
    session = f"\necho; echo '{END}'\n".join(block.code for block in README[1:])
    ran = subprocess.run(
        ["sh", "-euc", session.replace("http://127.0.0.1:8000", stack.url)],
        cwd=clone,
        env={"PATH": str(programs), "HOME": str(tmp_path)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=600,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout
    for block, printed in zip(README[1:], ran.stdout.split(f"{END}\n"), strict=True):
        assert_shown(block.shown, printed, stack)
    assert (clone / "page.jpg").read_bytes().startswith(b"\xff\xd8\xff")
    assert stack.get("/api/v1/items?text=my%20photo.jpg&status=READY")["data"]


def answer(app: Running, path: str) -> tuple[int, str | None, Any]:
    """Return the status, the media type and the body of an error, without what differs by request."""
    with pytest.raises(HTTPError) as refused:
        urlopen(Request(app.url + path), timeout=60)
    body = json.load(refused.value)
    return refused.value.code, refused.value.headers["Content-Type"], {**body, "request_id": ""}


def test_chalice_local_works_beside_the_running_stack(stack: Running) -> None:
    port = free_port()
    command = [str(Path(sys.executable).parent / "chalice"), "local", "--stage", "local", "--port", str(port)]
    beside = subprocess.Popen(
        [*command, "--no-autoreload"],
        cwd=stack.state / "stage",
        env={**os.environ, "PYTHONPATH": str(PROJECT)},  # as in the project's folder
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        other = Running(ports=Ports(api=port), state=stack.state)

        def health() -> Any:
            try:
                return other.get("/health")
            except OSError:
                return None

        assert eventually(health)["status"] == "healthy"
        assert len(other.get("/api/v1/items?limit=100")["data"]) >= 16
        for path in ("/users/1", "/users/1/orders/2?x=1", "/nowhere/at/all"):
            assert answer(other, path) == answer(stack, path)
    finally:
        beside.terminate()
        beside.wait()


def test_an_unknown_path_is_a_problem_like_any_other(stack: Running) -> None:
    with pytest.raises(HTTPError) as refused:
        urlopen(Request(f"http://127.0.0.1:{stack.ports.api}/nowhere/at/all"), timeout=60)
    assert refused.value.code == 404
    assert json.load(refused.value)["code"] == "not_found"


def test_the_page_is_served_at_the_root(stack: Running) -> None:
    page = urlopen(f"http://127.0.0.1:{stack.ports.api}/", timeout=60)
    assert page.headers["Content-Type"].startswith("text/html")
    assert b"<title>Collections" in page.read()


def test_the_doctor_finds_the_running_stack_well(stack: Running) -> None:
    command = [str(PROJECT / "collections"), "doctor", "--port", str(stack.ports.api), "--json"]
    environment = {**os.environ, "PROJECT_PYTHON": sys.executable}
    ran = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert len(json.loads(ran.stdout)["findings"]) > 50


def test_no_process_of_the_stack_but_operate_has_the_superusers_url(stack: Running) -> None:
    config = json.loads((stack.state / "stage" / ".chalice" / "config.json").read_text())
    url = config["stages"]["local"]["environment_variables"]["DATABASE_URL"]
    assert url.startswith("postgresql://collections_app:")
    assert rows(url, "SELECT count(*) FROM items") == [(0,)], "no tenant set, so no rows"
