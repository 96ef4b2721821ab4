"""Measures the local stack under load: clients that ask over HTTP without a pause, half lists, the rest in quarters.

python -m bench.load [--clients 50] [--seconds 300]

A stack of its own is started, with users who sign in and have pictures. Each client is one of these users, and keeps
its connection. After a first part that warms up, it counts errors and the time until an answer; CPU of the API's
process, of the emulated AWS, of Postgres and of the models; the API's connections to Postgres, and
how its memory grows.
"""

import argparse
import http.client
import json
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import linear_regression, median, quantiles
from typing import Any, NamedTuple
from urllib.request import Request, urlopen

import psutil

from bench.figures import note
from bench.server import cpu_s, server_of
from local.children import free_port
from local.layout import Ports
from local.postgres import admin_url
from local.samples import multipart_form

PROJECT = Path(__file__).resolve().parent.parent
PICTURES = ("scan0007.jpg", "sunday-visitor.jpg")
QUERIES = ("bill for repairing a bicycle wheel", "cat", "how much may a hotel cost", "a boat on a lake")
USERS, ATTEMPTS, READY_WITHIN_S, START_WITHIN_S = 5, 10, 300.0, 120.0
WARM_SHARE = 0.2  # of the time, in which caches fill and connections open: it is not counted
KINDS = ("list", "list", "search", "thumbnail")
GOOD = (200, 302)


@contextmanager
def running_stack() -> Iterator[tuple[int, psutil.Process]]:
    """Start a stack in a folder of its own; yield its port and its process, which is the emulated AWS as well."""
    port = _free_ports()
    with tempfile.TemporaryDirectory() as state:
        (Path(state) / "samples-are-loaded").touch()  # the users bring their own pictures
        command = [sys.executable, "-m", "local", "run", "--port", str(port), "--state", state]
        log = Path(state) / "run.log"
        with log.open("w") as lines:
            stack = subprocess.Popen(command, cwd=PROJECT, stdout=lines, stderr=lines)
        try:
            _wait(lambda: "ready:" in log.read_text() or _stopped(stack, log), START_WITHIN_S, "the stack")
            yield port, psutil.Process(stack.pid)
        finally:
            stack.send_signal(signal.SIGINT)
            stack.wait(60)


def _stopped(stack: "subprocess.Popen[bytes]", log: Path) -> bool:
    if stack.poll() is not None:
        raise RuntimeError(f"the stack did not start: {log.read_text()}")
    return False


def _free_ports() -> int:
    """Return a port that is free, and is far from those that others get."""
    return free_port() // 10 * 10 % 20_000 + 20_000


def _ask(port: int, method: str, path: str, body: Any = None, token: str = "") -> tuple[int, Any]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.request(method, path, body=json.dumps(body) if body else None, headers=_headers(token))
        answer = connection.getresponse()
        raw = answer.read()
        return answer.status, json.loads(raw) if raw else None
    except OSError:
        return 0, None
    finally:
        connection.close()


def _ask_until(status: int, port: int, path: str, body: Any, token: str = "") -> Any:
    """Post until the answer has this status: while a stack starts on a busy machine, some of its calls time out."""
    for _ in range(ATTEMPTS):
        found, answer = _ask(port, "POST", path, body, token)
        if found == status:
            return answer
        time.sleep(3)
    raise RuntimeError(f"{path} answers {found}: {answer}")


def _headers(token: str) -> dict[str, str]:
    return {"Content-Type": "application/json", **({"Authorization": f"Bearer {token}"} if token else {})}


def _wait(is_done: Any, within_s: float, what: str) -> None:
    give_up_at = time.monotonic() + within_s
    while not is_done():
        if time.monotonic() > give_up_at:
            raise TimeoutError(f"{what} is not ready after {within_s:.0f} s")
        time.sleep(1)


def sign_up(port: int, number: int) -> str:
    """Return the token of a new user, whose pictures are on their way."""
    who = {"email": f"user{number}@example.org", "password": "correct horse battery"}
    _ask_until(202, port, "/api/v1/registration", who)
    token: str = _ask_until(201, port, "/api/v1/sessions", who)["access_token"]
    for name in PICTURES:
        path = PROJECT / "samples" / name
        about = {"filename": name, "content_type": "image/jpeg", "size_bytes": path.stat().st_size}
        upload = _ask_until(201, port, "/api/v1/uploads", about, token)
        form, content_type = multipart_form(upload["fields"], path, "image/jpeg")
        post = Request(upload["url"], form, {"Content-Type": content_type}, method="POST")
        urlopen(post, timeout=60).close()
    return token


def ready_items(port: int, token: str) -> list[str]:
    status, found = _ask(port, "GET", "/api/v1/items", token=token)
    return [item["id"] for item in found["data"] if item["status"] == "READY"] if status == 200 else []


class Answer(NamedTuple):
    """A client's answer; its status is 0 if there was none."""

    kind: str
    status: int
    seconds: float
    ended: float


class Clients:
    """So many clients, which ask without a pause until `stop`."""

    def __init__(self, port: int, people: Sequence[tuple[str, list[str]]], count: int) -> None:
        self._port, self._is_over = port, threading.Event()
        self.answers: list[Answer] = []
        self._threads = [
            threading.Thread(target=self._ask, args=(number, *people[number % len(people)]))
            for number in range(count)
        ]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        self._is_over.set()
        for thread in self._threads:
            thread.join()

    def _ask(self, number: int, token: str, items: list[str]) -> None:
        draw = random.Random(number)  # noqa: S311  repeatable, not secret
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=60)
        while not self._is_over.is_set():
            kind = draw.choice(KINDS)
            began = time.monotonic()
            try:
                connection.request(*self._request(kind, draw, items), headers=_headers(token))
                answer = connection.getresponse()
                answer.read()
                status = answer.status
            except (OSError, http.client.HTTPException):
                connection.close()
                status = 0
            ended = time.monotonic()
            self.answers.append(Answer(kind, status, ended - began, ended))

    def _request(self, kind: str, draw: random.Random, items: list[str]) -> tuple[str, str, str | None]:
        if kind == "list":
            return "GET", "/api/v1/items", None
        if kind == "thumbnail":
            return "GET", f"/api/v1/items/{draw.choice(items)}/thumbnail", None
        return "POST", "/api/v1/search", json.dumps({"query": draw.choice(QUERIES)})


class Watch:
    """Watches a stack: CPU seconds by part, and the API's memory and connections over time."""

    def __init__(self, stack: psutil.Process, port: int) -> None:
        children = stack.children(recursive=True)
        # A process of each module watches its parent; the one that works is larger.
        self._api, self._models = (
            max(
                (each for each in children if module in each.cmdline()),
                key=lambda each: each.memory_info().rss,
            )
            for module in ("local.api_server", "local.models.server")
        )
        self._stack, self._database = stack, server_of(admin_url(Ports(api=port).postgres))
        self._database_port = Ports(api=port).postgres
        self.memory: list[tuple[float, float]] = []
        self.connections: list[int] = []

    def cpu_s(self) -> dict[str, float]:
        parts = {"emulated AWS": self._stack, "API": self._api, "models": self._models}
        used = {name: each.cpu_times() for name, each in parts.items()}
        return {name: times.user + times.system for name, times in used.items()} | {
            "Postgres": cpu_s(self._database)
        }

    def look(self) -> None:
        """Note the API's megabytes, and how many connections to Postgres it holds."""
        self.memory.append((time.monotonic(), self._api.memory_info().rss / 1e6))
        ports = [each.raddr.port for each in self._api.net_connections("tcp") if each.raddr]
        self.connections.append(ports.count(self._database_port))


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.load", description=__doc__)
    parser.add_argument("--clients", type=int, default=50)
    parser.add_argument("--seconds", type=float, default=300.0)
    asked = parser.parse_args()
    with running_stack() as (port, stack):
        tokens = [sign_up(port, number) for number in range(USERS)]
        _wait(
            lambda: all(len(ready_items(port, token)) == len(PICTURES) for token in tokens),
            READY_WITHIN_S,
            "the pictures",
        )
        people = [(token, ready_items(port, token)) for token in tokens]
        clients = Clients(port, people, asked.clients)
        time.sleep(asked.seconds * WARM_SHARE)
        watch, began = Watch(stack, port), time.monotonic()
        before = watch.cpu_s()
        while time.monotonic() < began + asked.seconds * (1 - WARM_SHARE):
            watch.look()
            time.sleep(1)
        used = {name: seconds - before[name] for name, seconds in watch.cpu_s().items()}
        counted = [each for each in clients.answers if each.ended >= began]
        clients.stop()
    return 0 if report(asked.clients, counted, used, watch) else 1


def report(clients: int, counted: Sequence[Answer], used: dict[str, float], watch: Watch) -> bool:
    """Print the figures. Return whether all are as good as stated."""
    statuses = Counter(answer.status for answer in counted)
    errors = sum(number for status, number in statuses.items() if status not in GOOD)
    elapsed_s = max(answer.ended for answer in counted) - min(answer.ended for answer in counted)
    print(f"{clients} clients: {len(counted) / elapsed_s:.1f} answers a second, {dict(statuses)}")
    for kind in dict.fromkeys(KINDS):
        waits = [answer.seconds * 1000 for answer in counted if answer.kind == kind]
        print(
            f"  {kind:9} {len(waits):6}  median {median(waits):5.0f} ms  p95 {quantiles(waits, n=20)[-1]:5.0f} ms"
        )
    by_request = {name: seconds * 1000 / len(counted) for name, seconds in used.items()}
    print("  CPU ms a request: " + ", ".join(f"{name} {ms:.1f}" for name, ms in by_request.items()))
    slope, _ = linear_regression(*zip(*watch.memory, strict=True))
    grown_kb = slope * (watch.memory[-1][0] - watch.memory[0][0]) * 1000 / len(counted)
    print(
        f"  API: {max(watch.connections)} connections, {watch.memory[-1][1]:.0f} MB, {grown_kb:+.2f} KB a request"
    )
    return all(
        [
            note("load.errors", errors),
            note("load.connections", max(watch.connections)),
            note("load.api_ms", by_request["API"]),
            note("load.emulator_ms", by_request["emulated AWS"]),
            note("load.memory_mb", watch.memory[-1][1]),
        ]
    )


if __name__ == "__main__":
    sys.exit(main())
