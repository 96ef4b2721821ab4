"""The page's chat, in Node against a server that answers like the API."""

import json
import subprocess
import threading
from http.server import ThreadingHTTPServer
from typing import Any

import pytest

from deploy.policies import ROOT
from tests.console.answering import IMAGE, Answering
from tests.support.processes import needs_node


def ask(script: str = "console_chat.js", *arguments: str) -> Any:
    """Return what the page shows after it has called this server."""
    Answering.told.clear()
    with ThreadingHTTPServer(("127.0.0.1", 0), Answering) as serving:
        threading.Thread(target=serving.serve_forever, daemon=True).start()
        command = ["node", f"tests/console/{script}", f"http://127.0.0.1:{serving.server_port}/", *arguments]
        ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
        serving.shutdown()
    assert ran.returncode == 0, ran.stderr
    return json.loads(ran.stdout)


@needs_node
def test_an_answer_stands_there_with_its_quotes_at_their_places():
    page = ask()
    talk = "/api/v1/conversations/t/messages"
    assert Answering.told[:4] == [
        ("/api/v1/conversations", {}),
        (talk, {"content": "When?", "collection_id": "c"}),
        ("/api/v1/runs/r", None),
        (talk, None),
    ]
    assert page["talk"] == [
        {"user": [{"plain": ["When?"]}]},
        {
            "assistant": [
                {
                    "plain": [
                        "\U0001f331 In May.",
                        {"cite": "1"},
                        " And <i>not</i> before.",
                        {"cite stale": "2"},
                        "",
                    ]
                },
                {"where cut": "1. plan.pdf, page 2: “on <b>May 1</b>”"},
                {"where cut stale": "2. plan.pdf, page 2: “on <b>May 1</b>”"},
                {"about": "1 sentence left out: not found in your items word for word."},
            ]
        },
    ]
    (name, shows, is_fresh), stale = page["sources"]
    assert (name, is_fresh) == ("plan.pdf, page 2", True)
    assert json.loads(shows) == {"picture": IMAGE}
    assert stale == [name, "", False]  # what it holds now is not shown in place of what was quoted


@needs_node
def test_a_run_that_failed_says_why_and_leaves_no_half_of_a_talk(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(Answering, "run", {"state": "failed", "error": {"message": "The model is away."}})
    page = ask()
    assert (page["talk"], page["said"]) == ([], "The model is away.")


@needs_node
def test_a_link_of_a_card_in_anki_opens_the_page_with_its_quote():
    exercise_id = "0198a3f2-7c41-7d0e-9b1a-5f2c8e6d4b37"
    page = ask("console_link.js", f"#/exercises/{exercise_id}")
    assert (f"/api/v1/exercises/{exercise_id}", None) in Answering.told
    assert (page["name"], json.loads(page["shows"]), page["hash"]) == (
        "plan.pdf, page 2",
        {"picture": IMAGE},
        "",
    )
    assert ask("console_link.js", "#/exercises/../../x")["name"] == ""
