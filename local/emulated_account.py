"""Starts an emulated account for a rehearsal: AWS, models, databases, and the functions from the deployed zips."""

import hashlib
import io
import os
import platform
import shutil
import subprocess
import sys
import threading
import zipfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from moto.awslambda.utils import get_backend

from deploy.package import find_python, make_environment
from deploy.policies import ROOT
from local import change_sets, postgres
from local.aws import Emulator
from local.children import Child, module_command, spawn
from local.delivery import Delivery
from local.event_files import EventFiles
from local.heard_calls import HeardCalls
from local.layout import ACCOUNT, REGION, Folders, Ports
from local.object_files import ObjectFiles
from local.rehearsal import DEPLOYER, Rehearsal, commit
from local.runtime_api import RuntimeApi
from local.workers import Function, Workers


def copy_project(to: Path) -> None:
    """Copy what git tracks into a repository of its own, with the environment that packages in its place."""
    listed = subprocess.run(["git", "-C", str(ROOT), "ls-files", "-z"], capture_output=True, check=True)
    for name in listed.stdout.decode().split("\0"):
        if name and (ROOT / name).is_file() and not name.startswith(("tests/", "samples/", "bench/")):
            (to / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, to / name)
    make_environment(find_python())
    (to / ".venv-package").symlink_to(ROOT / ".venv-package")
    (to / ".gitignore").write_text((ROOT / ".gitignore").read_text() + ".venv-package\n")
    subprocess.run(["git", "init", "--quiet", str(to)], check=True)
    commit(to, "The project as it is")


def wheels_at(folder: Path) -> dict[str, str]:
    """Fetch the wheels of the package once. Return variables with which pip takes them from there, each time."""
    if (sys.platform, platform.machine()) != ("linux", "x86_64"):
        return {}  # Chalice would look for others as well, of Lambda's machines
    pip = [str(ROOT / ".venv-package" / "bin" / "python"), "-m", "pip", "download", "--quiet"]
    wheels = ["--only-binary", ":all:", "--dest", str(folder), "-r", str(ROOT / "requirements.txt")]
    subprocess.run([*pip, "--disable-pip-version-check", *wheels], check=True, capture_output=True)
    return {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(folder)}


class Unpacked:
    """The code of deployed functions, as the zip of each deployment has it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.Lock()

    def folder_of(self, function: Function) -> Path:
        deployed = get_backend(ACCOUNT, REGION).get_function(function.arn)
        to = self._folder / hashlib.sha256(deployed.code_bytes).hexdigest()
        with self._lock:
            if not to.exists():
                with zipfile.ZipFile(io.BytesIO(deployed.code_bytes)) as package:
                    package.extractall(to)
        return to


@contextmanager
def emulated_account(
    state: Path, copy: Path, ports: Ports
) -> Iterator[tuple[Rehearsal, Callable[[str], str]]]:
    """Start the emulator, the models, and a database server for each stage that asks for one."""
    with ExitStack() as parts:
        folders = Folders(state=state, project=copy)
        runtime_api = RuntimeApi(ports.runtime)
        runtime_api.start()
        parts.callback(runtime_api.stop)
        workers = Workers(
            runtime_api=runtime_api,
            project=copy,
            logs=folders.logs,
            aws_port=lambda: ports.aws,
            concurrency={},
            say=lambda line: None,
            code_of=Unpacked(state / "code").folder_of,
            python=str(copy / ".venv-package" / "bin" / "python"),
        )
        delivery = Delivery(
            start_function=workers.start_function,
            places=workers.places,
            event_files=EventFiles(folders.queue),
        )
        workers.finish = delivery.finish
        deployer = HeardCalls(DEPLOYER, ours="collections")
        emulator = Emulator(
            port=ports.aws, files=ObjectFiles(folders.objects), delivery=delivery, hear=deployer.hear
        )
        change_sets.install()
        emulator.start()
        for stop in (emulator.stop, workers.stop, delivery.stop):
            parts.callback(stop)
        rehearsal = Rehearsal(copy, ports, emulator, deployer, wheels_at(copy.with_name("wheels")))
        command = module_command("local.models.server", "--port", str(ports.models))
        watcher = module_command("local.parent_watch", "SIGTERM", "")
        log = folders.logs / "models.log"
        models = Child("models", lambda: spawn([*watcher, *command], log=log, env=os.environ), rehearsal.say)
        parts.callback(models.stop, grace_s=20.0)

        def database(stage: str) -> str:
            folder = state / f"postgres-{stage}"
            folder.mkdir()
            parts.callback(postgres.stop_postgres, folder)
            return postgres.start_postgres(folder, 0, fsync=False)

        yield rehearsal, database
