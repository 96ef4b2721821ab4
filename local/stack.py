"""Starts all parts of the local stack in order, reports when they are ready, and stops them."""

import fcntl
import http.client
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg2

from chalicelib.stores.postgres.migrate import migrate, set_app_password
from local import postgres
from local.aws import Emulator
from local.base import create_base
from local.children import (
    REPOSITORY,
    Child,
    Launch,
    Say,
    StartFailed,
    module_command,
    require_free_port,
    spawn,
)
from local.delivery import Delivery
from local.deploy import deploy, make_stage_copy
from local.event_files import EventFiles
from local.index_move import find_earlier_model, move_index
from local.layout import Folders, Ports, stage_settings
from local.object_files import ObjectFiles
from local.runtime_api import RuntimeApi
from local.workers import Workers

START_TIMEOUT_S = 60.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Stack:
    """A running stack, with the URLs of its API and its emulated AWS."""

    url: str
    aws_url: str


@contextmanager
def running_stack(*, state: Path, base_port: int, image_workers: int, say: Say) -> Iterator[Stack]:
    """Start all parts and yield the stack; stop all parts at the end. Raise StartFailed if a part does not start."""
    folders = Folders(state=state.resolve(), project=REPOSITORY)
    ports = Ports(api=base_port)
    folders.state.mkdir(parents=True, exist_ok=True)
    with ExitStack() as parts:
        parts.enter_context(_only_one(folders.state))
        _require_ports(ports)
        models = _start(parts, "models", lambda: _launch_models(folders, ports), say)
        _start_postgres(parts, folders, ports, say)
        emulator = _start_aws(parts, folders, ports, image_workers, say)
        api = _start(parts, "API", lambda: _launch_api(folders, ports), say)
        deploy(folders.stage_copy, aws_port=ports.aws, log=folders.logs / "deploy.log")
        say("deployed into the emulated AWS")
        models.wait_ready(
            ports.models, lambda: _responds(ports.models, "/health", 200), timeout_s=START_TIMEOUT_S
        )
        say("models are ready")
        api.wait_ready(ports.api, lambda: _responds(ports.api, "/health/live"), timeout_s=START_TIMEOUT_S)
        if resumed := emulator.delivery.resume():
            say(f"{resumed} events of the last run continue")
        emulator.scheduler.start()
        _move_index(parts, folders, ports, say)
        yield Stack(url=f"http://127.0.0.1:{ports.api}", aws_url=emulator.url)


def _start_postgres(parts: ExitStack, folders: Folders, ports: Ports, say: Say) -> None:
    database = _start(parts, "Postgres", lambda: postgres.launch(folders.state, ports.postgres), say)
    database.wait_ready(
        ports.postgres, lambda: postgres.is_ready(folders.state, ports.postgres), timeout_s=START_TIMEOUT_S
    )
    admin_url = postgres.admin_url(ports.postgres)
    applied = migrate(admin_url)
    set_app_password(admin_url, "local")
    _forget_last_run(admin_url)
    say(f"Postgres is ready{f', migrated to {applied[-1]}' if applied else ''}")


def _forget_last_run(admin_url: str) -> None:
    """End the leases of an earlier run's workers, and wake again what its queues held: both have ended with it."""
    connection = psycopg2.connect(admin_url)
    with connection, connection.cursor() as cursor:
        cursor.execute("UPDATE tasks SET lease_until = now() WHERE state = 'running' AND lease_until > now()")
        cursor.execute("UPDATE tasks SET woken_at = NULL WHERE state = 'ready'")
    connection.close()


def _start_aws(parts: ExitStack, folders: Folders, ports: Ports, image_workers: int, say: Say) -> Emulator:
    """Start the emulator with the base resources and the objects on disk, and the workers of its functions."""
    earlier = find_earlier_model(postgres.admin_url(ports.postgres))
    settings = stage_settings(make_stage_copy(folders, ports, earlier_model=earlier))
    runtime_api = RuntimeApi(ports.runtime)
    runtime_api.start()
    parts.callback(runtime_api.stop)
    workers = Workers(
        runtime_api=runtime_api,
        project=folders.stage_copy,
        logs=folders.logs,
        aws_port=lambda: ports.aws,
        concurrency={"-ImageProcessorLambda": image_workers, "-AnalyzerLambda": image_workers},
        say=say,
    )
    delivery = Delivery(
        start_function=workers.start_function,
        places=workers.places,
        event_files=EventFiles(folders.queue),
    )
    workers.finish = delivery.finish
    emulator = Emulator(port=ports.aws, files=ObjectFiles(folders.objects), delivery=delivery)
    emulator.start()
    parts.callback(emulator.stop)
    parts.callback(workers.stop)
    parts.callback(delivery.stop)
    create_base(settings, aws_port=ports.aws)
    if kept := emulator.objects.load(settings["IMAGES_BUCKET"]):
        say(f"{kept} objects loaded from disk")
    return emulator


def _move_index(parts: ExitStack, folders: Folders, ports: Ports, say: Say) -> None:
    is_over = threading.Event()
    settings = stage_settings(folders.stage_copy)
    moving = move_index(postgres.admin_url(ports.postgres), settings, say=say, is_over=is_over)
    if moving is not None:
        parts.callback(moving.join, 10.0)
        parts.callback(is_over.set)


def _start(parts: ExitStack, name: str, launch: Launch, say: Say) -> Child:
    child = Child(name, launch, say)
    parts.callback(child.stop, grace_s=20.0)
    return child


def _launch_models(folders: Folders, ports: Ports) -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-P", "-m", "local.models.server", "--port", str(ports.models)]
    watcher = module_command("local.parent_watch", "SIGTERM", "")
    return spawn([*watcher, *command], log=folders.logs / "models.log", env=os.environ)


def _launch_api(folders: Folders, ports: Ports) -> "subprocess.Popen[bytes]":
    command = module_command("local.api_server", str(ports.api))
    environment = {**os.environ, "MAIL_FOLDER": str(folders.mail)}
    return spawn(command, log=folders.logs / "api.log", env=environment, project=folders.stage_copy)


def _responds(port: int, path: str, status: int | None = None) -> bool:
    """Return whether an HTTP server responds on this port and path, with `status` if it is given."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", path)
        return status in (None, connection.getresponse().status)
    except OSError:
        return False
    finally:
        connection.close()


def _require_ports(ports: Ports) -> None:
    """Raise StartFailed if a port is still taken after 5 s. Ports of a run that was just killed are free soon."""
    wanted = {
        "the API": ports.api,
        "the emulated AWS": ports.aws,
        "Postgres": ports.postgres,
        "the models": ports.models,
        "the runtime API": ports.runtime,
    }
    give_up_at = time.monotonic() + 5
    for what, port in wanted.items():
        while True:
            try:
                require_free_port(port, what=what)
                break
            except StartFailed:
                if time.monotonic() > give_up_at:
                    raise
                time.sleep(0.2)


@contextmanager
def _only_one(state: Path) -> Iterator[None]:
    """Hold a lock on the state directory. Raise StartFailed if another stack holds it."""
    with (state / "lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise StartFailed(
                f"a stack is already running on {state}; make run PORT=N STATE=FOLDER starts another"
            ) from error
        yield
