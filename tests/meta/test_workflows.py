"""The workflows of GitHub: each command in them is there, and a stage is deployed in the order that loses nothing."""

import re
import subprocess
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
import yaml

from deploy import revision, smoke
from deploy.policies import ROOT
from deploy.script import Stopped
from local.layout import aws_environment
from tests.support.emulated import emulated_aws

FILES = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
WORKFLOWS: dict[str, Any] = {path.name: yaml.safe_load(path.read_text()) for path in FILES}
TARGETS = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))


def steps(workflow: str) -> list[dict[str, Any]]:
    jobs = WORKFLOWS[workflow]["jobs"].values()
    return [step for job in jobs for step in job.get("steps", [])]


@pytest.mark.parametrize("workflow", WORKFLOWS)
def test_every_command_is_there(workflow: str) -> None:
    commands = [step["run"] for step in steps(workflow) if "run" in step]
    for command in commands:
        for target in re.findall(r"\bmake ([a-z-]+)", command):
            assert target in TARGETS, command
        for script in re.findall(r"(?:deploy/[a-z-]+\.sh|\.ci/run)\b", command):
            assert (ROOT / script).stat().st_mode & 0o111, command
        for module in re.findall(r"deploy/run\.sh ([\w.]+)", command):
            assert (ROOT / module.replace(".", "/")).with_suffix(".py").exists(), command
        for script, flags in re.findall(
            r"(deploy/(?:deploy|rollback)\.sh|deploy/run\.sh deploy\.\w+)([^)\n]*)", command
        ):
            helped = subprocess.run(
                [*script.split(), "--help"], cwd=ROOT, capture_output=True, text=True, check=True
            )
            for flag in re.findall(r"--[a-z-]+", flags):
                assert flag in helped.stdout, (script, flag)
    for job in WORKFLOWS[workflow]["jobs"].values():
        if "uses" in job:
            assert (ROOT / job["uses"]).exists()


def test_no_key_of_aws_is_kept_at_github() -> None:
    text = "".join(path.read_text() for path in FILES)
    assert "secrets." not in text and "aws-access-key-id" not in text
    assert "role-to-assume: ${{ vars.AWS_ROLE_ARN }}" in text
    assert WORKFLOWS["deploy-stage.yml"]["jobs"]["deploy"]["permissions"]["id-token"] == "write"


def test_dev_follows_main_and_production_follows_staging_by_tag_with_approval() -> None:
    jobs = WORKFLOWS["deploy.yml"]["jobs"]
    assert {name: (job.get("if"), job.get("needs")) for name, job in jobs.items()} == {
        "test": (None, None),
        "dev": ("github.ref_type == 'branch'", "test"),
        "staging": ("github.ref_type == 'tag'", "test"),
        "production": ("github.ref_type == 'tag'", "staging"),
    }
    # Its protection rules ask for the approval.
    assert WORKFLOWS["deploy-stage.yml"]["jobs"]["deploy"]["environment"] == "${{ inputs.stage }}"


def test_a_deployment_is_tried_from_outside_and_taken_back_when_it_fails() -> None:
    runs = [
        (step.get("if", ""), step["run"].split(" --")[0])
        for step in steps("deploy-stage.yml")
        if "run" in step
    ]
    assert [command for _, command in runs][-4:] == [
        "deploy/deploy.sh",
        "deploy/run.sh deploy.smoke",
        "deploy/rollback.sh",
        "deploy/run.sh deploy.revision",
    ]
    assert [condition.split(" ")[0] for condition, _ in runs][-2:] == ["failure()", "success()"]


def test_the_deployed_revision_is_kept_for_the_rollback(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with emulated_aws(tmp_path) as aws:
        for name, value in aws_environment(aws.emulator.port).items():
            monkeypatch.setenv(name, value)
        assert revision.read("dev") == ""
        revision.write("dev", "0123abc")
        assert (revision.read("dev"), revision.read("staging")) == ("0123abc", "")


class Deployed(BaseHTTPRequestHandler):
    """A stage whose answers are `statuses`, in their order; the last one stays."""

    statuses: dict[str, list[int]]

    def do_GET(self) -> None:
        left = self.statuses[self.path]
        self.send_response(left.pop(0) if len(left) > 1 else left[0])
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *_: Any) -> None: ...


@pytest.mark.parametrize(
    ("change", "fails"),
    [
        ({}, ""),
        ({"/health/ready": [503, 200]}, ""),
        ({"/health/ready": [500]}, "/health/ready answers 500 and should 200"),
        ({"/api/v1/items": [200]}, "/api/v1/items answers 200 and should 401"),
    ],
)
def test_the_smoke_test_waits_for_a_waking_database_and_for_nothing_else(
    change: dict[str, list[int]], fails: str
) -> None:
    statuses = {path: [status] for path, status in smoke.ASKED} | change
    server = HTTPServer(("127.0.0.1", 0), type("Handler", (Deployed,), {"statuses": statuses}))
    Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}"
    try:
        if fails:
            with pytest.raises(Stopped, match=fails):
                smoke.check(url)
        else:
            smoke.check(url)
    finally:
        server.shutdown()
