"""Measures what one answer without a chat model costs: CPU of the app, of Postgres and of the models, statements.

python -m bench.question [--questions N] [--statements] [--profile]

The pages are the sections of docs/, the questions a list below; they go through POST .../messages, as a client's do.
The emulated AWS answers from other threads, which are not counted.
"""

import argparse
import base64
import cProfile
import itertools
import json
import logging
import os
import pstats
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import psutil

import app
from bench.corpus import USER, Document, KeptEmbedder, load
from bench.figures import note
from bench.pipeline import Server, Statements, pipeline
from chalicelib import wiring
from local.models.text_models import MODEL
from tests.support.world import World

QUESTIONS = (
    "How long is a lease of the runner?",
    "How many answers may a user have at work at once?",
    "What happens when a worker crashes?",
    "Which port does the emulated AWS listen on?",
    "Why is there no approximate index?",
    "How do I deploy to an account of my own?",
    "What is a citation that is stale?",
    "When is a webhook sent again?",
    "How much does a thousand questions cost?",
    "Who can see another user's rows?",
    "What is the largest file that can be uploaded?",
    "Wie lange werden Ergebnisse eines Laufs aufbewahrt?",
)
_ANSWERS = "/api/v1/conversations/{conversation_id}/messages"
_WAIT_S = 60


def sections() -> list[Document]:
    """Return the pages of docs/, each section a page."""
    folder = Path(__file__).resolve().parent.parent / "docs"
    return [
        Document(id=path.stem, text=path.read_text(encoding="utf-8").replace("\n## ", "\f## "))
        for path in sorted(folder.glob("*.md"))
    ]


@contextmanager
def models_server() -> Iterator[tuple[psutil.Process, str]]:
    """Yield the process of the local models, and its address."""
    command = [sys.executable, "-m", "local.models.server", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout
        try:
            url = server.stdout.readline().split()[-1]
            while not json.load(urlopen(f"{url}/health", timeout=_WAIT_S))["images"]:
                time.sleep(0.2)  # what loads them is not an answer's CPU
            yield psutil.Process(server.pid), url
        finally:
            server.terminate()


def post(resource: str, body: dict[str, Any], **path: str) -> dict[str, Any]:
    """Return what the app answers. Raise RuntimeError unless it has created something."""
    target = resource.format(**path)
    answer = app.app(
        {
            "headers": {"content-type": "application/json"},
            "multiValueQueryStringParameters": None,
            "pathParameters": path,
            "body": base64.b64encode(json.dumps(body).encode()).decode(),
            "isBase64Encoded": True,
            "stageVariables": None,
            "path": target,
            "requestContext": {
                "httpMethod": "POST",
                "resourcePath": resource,
                "path": target,
                "requestId": "bench-question",
                "identity": {"sourceIp": "192.0.2.1"},
            },
        },
        None,
    )
    if answer["statusCode"] != 201:
        raise RuntimeError(answer["body"])
    return json.loads(answer["body"])


def measure(world: World, models: psutil.Process, given: argparse.Namespace) -> float:
    """Print what a question costs; return its CPU in ms."""
    kept = KeptEmbedder(Path(".local/bench") / f"docs-{MODEL}.npz", embedder=wiring.embedder())
    load(sections(), db=world.db, embedder=kept)
    kept.keep()
    conversation = post("/api/v1/conversations", {})["id"]
    for question in QUESTIONS:
        ask(conversation, question)
    statements, server, profile = Statements(), Server(world), cProfile.Profile()
    before, app_s, outcomes = (server.seconds(), _seconds(models)), 0.0, Counter[str]()
    for question in itertools.islice(itertools.cycle(QUESTIONS), given.questions):
        if given.profile:
            profile.enable()
        began = time.thread_time()
        outcomes[ask(conversation, question)] += 1
        app_s += time.thread_time() - began
        profile.disable()
    spent = app_s, server.seconds() - before[0], _seconds(models) - before[1]
    own, postgres, encoding = (each * 1000 / given.questions for each in spent)
    sent = sum(statements.counted.values()) / given.questions
    if given.statements:
        for text, number in statements.counted.most_common():
            print(f"{number / given.questions:6.2f}  {text}")
    if given.profile:
        pstats.Stats(profile).sort_stats("tottime").print_stats(30)
    total = own + postgres + encoding
    print(
        f"{given.questions} questions ({dict(outcomes)}): {total:.1f} CPU ms each (app {own:.1f}, Postgres"
        f" {postgres:.1f}, models {encoding:.1f}), {statements.counted['COMMIT'] / given.questions:.1f} transactions,"
        f" {sent:.1f} statements"
    )
    return total


def ask(conversation: str, question: str) -> str:
    """Return the answer's outcome."""
    return str(post(_ANSWERS, {"content": question}, conversation_id=conversation)["outcome"])


def _seconds(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


def main() -> int:
    assert __doc__
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--questions", type=int, default=48)
    parser.add_argument("--statements", action="store_true", help="list the statements a question")
    parser.add_argument("--profile", action="store_true", help="list what takes most of the app's CPU")
    given = parser.parse_args()
    logging.disable(logging.INFO)
    with models_server() as (models, url), pipeline() as world:
        os.environ |= {"EMBEDDINGS_URL": f"{url}/v1", "EMBEDDING_MODEL": MODEL, "EMBEDDING_DIMENSIONS": "768"}
        os.environ["ANONYMOUS_USER"] = USER
        wiring.forget_all()
        return 0 if note("question.cpu_ms", measure(world, models, given)) else 1


if __name__ == "__main__":
    sys.exit(main())
