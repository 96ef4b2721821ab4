"""Runs functions in worker processes. A process is started if needed, killed at the timeout, and replaced."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from moto.awslambda.utils import get_backend

from local.children import Say, kill_group, module_command, spawn
from local.invocations import Finish, FunctionQueue, Invocation, Outcome
from local.layout import ACCOUNT, REGION, aws_environment
from local.runtime_api import Environment, RuntimeApi

INIT_TIMEOUT_S = 60.0
MIN_START_INTERVAL_S = 1.0
# Environment variables that every program needs. A worker gets all others from the deployed function.
_PASSED_ON = ("PATH", "HOME", "LANG", "TMPDIR", "USER", "SYSTEMROOT")


@dataclass(frozen=True, kw_only=True, slots=True)
class Function:
    """A deployed function."""

    name: str
    arn: str
    handler: str
    timeout_s: float
    memory_mb: int
    variables: Mapping[str, str]
    code_sha256: str

    @classmethod
    def deployed(cls, arn: str) -> "Function":
        config: dict[str, Any] = get_backend(ACCOUNT, REGION).get_function(arn).get_configuration()
        return cls(
            name=config["FunctionName"],
            arn=arn,
            handler=config["Handler"],
            timeout_s=float(config["Timeout"]),
            memory_mb=int(config["MemorySize"]),
            variables=config.get("Environment", {}).get("Variables", {}),
            code_sha256=config["CodeSha256"],
        )


class Workers:
    """The worker processes of all functions. Call `start_function` each time an invocation is queued.

    `concurrency` has the largest number of processes by the end of a function's name. Other functions have one.
    `code_of` returns the folder of a function's code; by default that is `project`, whatever was deployed. `python` is
    the interpreter that runs it.
    """

    def __init__(
        self,
        *,
        runtime_api: RuntimeApi,
        project: Path,
        logs: Path,
        aws_port: Callable[[], int],
        concurrency: Mapping[str, int],
        say: Say,
        code_of: "Callable[[Function], Path] | None" = None,
        python: str = sys.executable,
    ) -> None:
        self._code_of = code_of or (lambda function: project)
        self._python = python
        self.finish: Finish = _nobody_listens
        self._runtime_api = runtime_api
        self._logs = logs
        self._aws_port = aws_port
        self._concurrency = concurrency
        self._say = say
        self._slots: dict[str, list[_Slot]] = {}
        self._lock = threading.Lock()
        self._stopped = False

    def start_function(self, arn: str, waiting: FunctionQueue) -> None:
        """Open one more slot for the function if more invocations wait than slots are idle, and it may have more."""
        with self._lock:
            slots = self._slots.setdefault(arn, [])
            idle = sum(not slot.busy for slot in slots)
            if not self._stopped and len(slots) < self.places(arn) and waiting.pending() > idle:
                slots.append(_Slot(self, arn, waiting))

    def places(self, arn: str) -> int:
        """Return how many events of the function run at once."""
        return next((n for end, n in self._concurrency.items() if arn.endswith(end)), 1)

    def stop(self) -> None:
        """Kill every worker process."""
        with self._lock:
            self._stopped = True
            for slots in self._slots.values():
                for slot in slots:
                    slot.stop()

    def pids(self, function_name: str) -> list[int]:
        """Return the process ids of a function's running workers."""
        return [
            slot.process.pid
            for arn, slots in self._slots.items()
            for slot in slots
            if arn.endswith(f":{function_name}") and slot.process and slot.process.poll() is None
        ]

    def start_process(self, function: Function) -> tuple[Environment, "subprocess.Popen[bytes]"]:
        environment = Environment(timeout_s=function.timeout_s)
        code = self._code_of(function)
        process = spawn(
            module_command("local.worker", python=self._python),
            log=self._logs / f"{function.name}.log",
            project=code,
            env={
                **{name: os.environ[name] for name in _PASSED_ON if name in os.environ},
                "TZ": "UTC",
                "PYTHONUNBUFFERED": "1",
                **aws_environment(self._aws_port()),
                **function.variables,
                "AWS_LAMBDA_RUNTIME_API": self._runtime_api.open(environment),
                "AWS_LAMBDA_FUNCTION_NAME": function.name,
                "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(function.memory_mb),
                "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
                "LAMBDA_TASK_ROOT": str(code),
                "_HANDLER": function.handler,
            },
        )
        threading.Thread(target=self._watch, args=(function, environment, process), daemon=True).start()
        return environment, process

    def _watch(
        self, function: Function, environment: Environment, process: "subprocess.Popen[bytes]"
    ) -> None:
        code = process.wait()
        detail = f"signal: {signal.Signals(-code).name}" if code < 0 else f"exit status {code}"
        self._runtime_api.close(environment, detail)
        if not self._stopped:
            self._say(f"a worker of {function.name} ended ({detail})")


class _Slot:
    """A slot of a function: it runs one event at a time. It has one process, which is replaced when it ends."""

    def __init__(self, workers: Workers, arn: str, waiting: FunctionQueue) -> None:
        self.busy = True
        self.process: subprocess.Popen[bytes] | None = None
        self._workers = workers
        self._arn = arn
        self._waiting = waiting
        self._environment: Environment | None = None
        self._code_sha256 = ""
        self._started_at = -MIN_START_INTERVAL_S
        threading.Thread(target=self._run, daemon=True, name=f"slot-{arn}").start()

    def stop(self) -> None:
        if self.process:
            kill_group(self.process)
            self.process.wait()

    def _run(self) -> None:
        while True:
            self.busy = False
            invocation = self._waiting.take()
            self.busy = True
            if invocation is None:
                return
            self._workers.finish(invocation, self._execute(invocation))

    def _execute(self, invocation: Invocation) -> Outcome:
        function = Function.deployed(self._arn)
        environment = self._living_environment(function)
        environment.hand_over(invocation)
        prefix = f"RequestId: {invocation.request_id} Error: "
        deadline = time.monotonic() + INIT_TIMEOUT_S
        while True:
            happening = environment.happening_before(deadline)
            if happening is None:
                self.stop()
                self.process = None
                return Outcome.failure(
                    "Sandbox.Timedout",
                    f"{prefix}Task timed out after {function.timeout_s:.2f} seconds",
                )
            if happening.kind == "taken":
                deadline = time.monotonic() + function.timeout_s
            elif happening.kind == "exited":
                self.process = None
                return Outcome.failure(
                    "Runtime.ExitError",
                    f"{prefix}Runtime exited with error: {happening.detail}",
                )
            elif happening.outcome and happening.kind == "init_failed":
                self.stop()
                self.process = None
                return happening.outcome
            elif happening.outcome and happening.request_id == invocation.request_id:
                return happening.outcome

    def _living_environment(self, function: Function) -> Environment:
        """Return the environment of the slot's process.

        Start a new process if it has ended or other code was deployed, at most one a second.
        """
        if self._code_sha256 != function.code_sha256:
            self.stop()
            self._code_sha256 = function.code_sha256
        if self._environment is None or self.process is None or self.process.poll() is not None:
            time.sleep(max(0.0, self._started_at + MIN_START_INTERVAL_S - time.monotonic()))
            self._started_at = time.monotonic()
            self._environment, self.process = self._workers.start_process(function)
        return self._environment


def _nobody_listens(invocation: Invocation, outcome: Outcome) -> None:
    raise RuntimeError("Workers.finish was not set")
