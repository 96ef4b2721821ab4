"""An emulated AWS for one test: in this process, on free ports, its objects in a temporary directory."""

import copy
import io
import json
import threading
import time
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

from moto.dynamodb.models import dynamodb_backends
from moto.s3.models import s3_backends
from moto.sqs.models import Queue, sqs_backends

from local.aws import Emulator
from local.base import client, create_base
from local.delivery import Delivery
from local.event_files import EventFiles
from local.layout import ACCOUNT, REGION
from local.object_files import ObjectFiles
from local.runtime_api import RuntimeApi
from local.workers import Workers

BUCKET = "collections-images-local-000000000000"
FUNCTIONS = Path(__file__).parents[1] / "local" / "functions"
TABLES = {
    "SESSIONS_TABLE": "collections-sessions-local",
    "RATE_LIMITS_TABLE": "collections-rate-limits-local",
}
_emulators: list[Emulator] = []


@dataclass
class Clock:
    """A clock that a test can move."""

    moved_s: float = 0.0

    def __call__(self) -> datetime:
        return datetime.fromtimestamp(time.time() + self.moved_s, UTC)


@dataclass(kw_only=True)
class Emulated:
    emulator: Emulator
    workers: Workers
    clock: Clock

    def client(self, service: str) -> Any:
        return client(service, self.emulator.port)

    def make_queue(self, name: str, *, visibility_s: str = "60") -> str:
        """Create a queue and return its ARN."""
        self.client("sqs").create_queue(QueueName=name, Attributes={"VisibilityTimeout": visibility_s})
        return f"arn:aws:sqs:{REGION}:{ACCOUNT}:{name}"

    def make_rule(self, name: str, target: str, **rule: Any) -> None:
        events = self.client("events")
        events.put_rule(Name=name, **rule)
        events.put_targets(Rule=name, Targets=[{"Id": "1", "Arn": target}])

    def make_function(self, name: str, *, timeout_s: int = 10, **variables: str) -> str:
        """Deploy the function of that name of tests/local/functions/app.py; return its ARN."""
        archive = io.BytesIO()
        with zipfile.ZipFile(archive, "w") as file:
            file.writestr("app.py", "")
        made = self.client("lambda").create_function(
            FunctionName=name,
            Runtime="python3.13",
            Role=self._role(),
            Handler=f"app.{name}",
            Timeout=timeout_s,
            Code={"ZipFile": archive.getvalue()},
            Environment={"Variables": variables},
        )
        return str(made["FunctionArn"])

    def received(self, queue: str) -> list[Any]:
        """Return the JSON bodies of all messages that are in the queue now."""
        sqs, bodies = self.client("sqs"), []
        while messages := sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10).get("Messages"):
            bodies += [json.loads(message["Body"]) for message in messages]
        return bodies

    def next_received(self, queue: str, *, timeout_s: float = 60) -> Any:
        """Return the JSON body of the next message, waited for."""
        give_up_at = time.monotonic() + timeout_s
        while time.monotonic() < give_up_at:
            if bodies := self.received(queue):
                return bodies[0]
            time.sleep(0.02)
        raise TimeoutError(f"nothing arrived in {queue}")

    def _role(self) -> str:
        iam = self.client("iam")
        try:
            return str(iam.get_role(RoleName="function")["Role"]["Arn"])
        except iam.exceptions.NoSuchEntityException:
            return str(iam.create_role(RoleName="function", AssumeRolePolicyDocument="{}")["Role"]["Arn"])


@contextmanager
def emulated_aws(state: Path, *, concurrency: int = 1, project: Path = FUNCTIONS) -> Iterator[Emulated]:
    """Give an account that has what stage local needs, with objects from `state`. Retries come after 50 ms.

    The process has one emulator, so there can be one account at a time.
    """
    clock = Clock()
    runtime_api = _runtime_api()
    workers = Workers(
        runtime_api=runtime_api,
        project=project,
        logs=state / "logs",
        aws_port=lambda: emulator.port,
        concurrency={"": concurrency},
        say=lambda line: None,
    )
    delivery = Delivery(
        start_function=workers.start_function,
        places=workers.places,
        event_files=EventFiles(state / "queue"),
        retry_delays_s=(0.05, 0.05),
    )
    workers.finish = delivery.finish
    emulator = _emulator(files=ObjectFiles(state / "s3"), delivery=delivery, now=clock)
    try:
        _restore(_base(emulator.port))
        emulator.objects.load(BUCKET)
        yield Emulated(emulator=emulator, workers=workers, clock=clock)
    finally:
        delivery.stop()
        workers.stop()
        emulator.scheduler.stop()


@cache
def _runtime_api() -> RuntimeApi:
    runtime_api = RuntimeApi(0)
    runtime_api.start()
    return runtime_api


def _emulator(**account: Any) -> Emulator:
    """Return the process's emulator with this account in it."""
    if _emulators:
        _emulators[0].reset(**account)
    else:
        _emulators.append(Emulator(port=0, **account))
        _emulators[0].start()
    return _emulators[0]


@cache
def _base(port: int) -> dict[str, dict[str, Any]]:
    """Create the bucket, the queues and the tables of stage local, and return copies of them."""
    create_base({"ENVIRONMENT": "local", "IMAGES_BUCKET": BUCKET, **TABLES}, aws_port=port)
    return {name: _copied(found) for name, found in _resources().items()}


def _restore(base: dict[str, dict[str, Any]]) -> None:
    """Put copies of the resources into the account: to create them by 13 calls takes 70 ms of CPU, this takes one."""
    for name, found in _resources().items():
        found.update(_copied(base[name]))
    s3_backends.bucket_accounts[BUCKET] = ("aws", ACCOUNT)


def _resources() -> dict[str, dict[str, Any]]:
    """Return moto's own resources, by service and name."""
    return {
        "s3": s3_backends[ACCOUNT]["aws"].buckets,
        "sqs": sqs_backends[ACCOUNT][REGION].queues,
        "dynamodb": dynamodb_backends[ACCOUNT][REGION].tables,
    }


def _copied(resources: dict[str, Any]) -> dict[str, Any]:
    locks = [found._messages_lock for found in resources.values() if isinstance(found, Queue)]
    return copy.deepcopy(resources, {id(lock): threading.Condition() for lock in locks})


def install_change_sets() -> None:
    from local import change_sets  # here: moto's CloudFormation imports EC2, which takes over a second

    change_sets.install()
