"""Deploys a staged copy of the project into the emulator with Chalice's own `deploy`."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from local.children import REPOSITORY, StartFailed
from local.places import STAGE, Places, Ports, aws_environment

CHALICE = "import sys; from chalice.cli import main; sys.exit(main())"


def make_stage_copy(places: Places, ports: Ports) -> Path:
    """Copy what Lambda would get, with the ports of this stack in its config; where the copy is.

    requirements.txt is left empty: the functions run in this environment, nothing is downloaded.
    """
    copy = places.stage_copy
    shutil.rmtree(copy, ignore_errors=True)
    copy.mkdir(parents=True)
    shutil.copy2(places.project / "app.py", copy)
    ignored = shutil.ignore_patterns("__pycache__", "deployed", "deployments")
    for directory in (".chalice", "chalicelib"):
        if (places.project / directory).exists():
            shutil.copytree(places.project / directory, copy / directory, ignore=ignored)
    (copy / "requirements.txt").touch()
    config = copy / ".chalice" / "config.json"
    config.write_text(ports.rewrite(config.read_text()))
    return copy


def deploy(stage_copy: Path, *, aws_port: int, log: Path) -> None:
    """Run `chalice deploy --stage local`, then say where its functions' failures go. Raises StartFailed."""
    _run([sys.executable, "-P", "-c", CHALICE, "deploy", "--stage", STAGE], stage_copy, aws_port, log)
    _run(
        [sys.executable, "-P", "-m", "deploy.failure_destinations", "--stage", STAGE],
        stage_copy,
        aws_port,
        log,
    )


def _run(command: list[str], stage_copy: Path, aws_port: int, log: Path) -> None:
    environment = {
        **os.environ,
        **aws_environment(aws_port),
        "PYTHONPATH": os.pathsep.join([str(stage_copy), str(REPOSITORY)]),
    }
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as file:
        done = subprocess.run(
            command,
            cwd=stage_copy,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=file,
            check=False,
        )
    if done.returncode != 0:
        raise StartFailed(f"deploying into the emulator failed; the end of {log} says why")
