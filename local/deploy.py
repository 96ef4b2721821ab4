"""Deploys a staged copy of the project into the emulator with Chalice's own `deploy`."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

from deploy import dot_env
from deploy.failure_destinations import set_failure_destinations
from deploy.policies import DEAD_LETTERS, queue_name
from local.base import client
from local.children import REPOSITORY, StartFailed
from local.index_move import settings_of_move
from local.layout import STAGE, Folders, Ports, aws_environment

CHALICE = "import sys; from chalice.cli import main; sys.exit(main())"


def make_stage_copy(folders: Folders, ports: Ports, *, earlier_model: tuple[str, int] | None = None) -> Path:
    """Copy the files that Lambda would get, with this stack's ports in the config. Return the copy's path.

    While the search index moves away from `earlier_model`, the functions have it too.

    requirements.txt is left empty: the functions run in this Python environment, so nothing is downloaded.
    """
    copy = folders.stage_copy
    shutil.rmtree(copy, ignore_errors=True)
    copy.mkdir(parents=True)
    shutil.copy2(folders.project / "app.py", copy)
    ignored = shutil.ignore_patterns("__pycache__", "deployed", "deployments")
    for directory in (".chalice", "chalicelib"):
        if (folders.project / directory).exists():
            shutil.copytree(folders.project / directory, copy / directory, ignore=ignored)
    (copy / "requirements.txt").touch()
    config = json.loads(ports.rewrite((copy / ".chalice" / "config.json").read_text()))
    # Here alone a .env is read: what is deployed has Parameter Store.
    if (own := folders.project / ".env").exists():
        try:
            config["stages"][STAGE]["environment_variables"] |= dot_env.read(own)
        except dot_env.WrongLine as error:
            raise StartFailed(str(error)) from error
    settings = config["stages"][STAGE]["environment_variables"]
    settings |= settings_of_move(settings, earlier_model)
    (copy / ".chalice" / "config.json").write_text(json.dumps(config, indent=2))
    return copy


def deploy(stage_copy: Path, *, aws_port: int, log: Path, stage: str = STAGE) -> None:
    """Run `chalice deploy` for the stage, then set the functions' failure destinations.

    Raise StartFailed if the deployment fails.
    """
    environment = {
        **os.environ,
        **aws_environment(aws_port),
        "PYTHONPATH": os.pathsep.join([str(stage_copy), str(REPOSITORY)]),
    }
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as file:
        done = subprocess.run(
            [sys.executable, "-P", "-c", CHALICE, "deploy", "--stage", stage],
            cwd=stage_copy,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=file,
            check=False,
        )
    if done.returncode != 0:
        raise StartFailed(f"deploying into the emulator failed; the end of {log} says why")
    config = json.loads((stage_copy / ".chalice" / "config.json").read_text())
    set_failure_destinations(
        client("lambda", aws_port),
        client("sqs", aws_port),
        app=config["app_name"],
        stage=stage,
        queue=queue_name(stage, DEAD_LETTERS),
    )
