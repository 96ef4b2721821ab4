"""The page's uploads, in Node against a server that answers like the API."""

import json
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from deploy.policies import ROOT
from tests.console.answering import InParts, TooManyAtOnce
from tests.support.processes import needs_node


def upload(server: type[BaseHTTPRequestHandler], size_bytes: int) -> Any:
    """Return the notes beside a file that the page sends to this server."""
    with ThreadingHTTPServer(("127.0.0.1", 0), server) as serving:
        threading.Thread(target=serving.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{serving.server_port}/"
        script = ["node", "tests/console/console_upload.js", url, str(size_bytes)]
        ran = subprocess.run(script, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
        serving.shutdown()
    assert ran.returncode == 0, ran.stderr
    return json.loads(ran.stdout)


@needs_node
def test_an_upload_waits_as_long_as_it_is_told_and_goes_on():
    notes = upload(TooManyAtOnce, 9)
    waiting = ["Too many at once: goes on in 1 s", "Sending"]
    assert notes == ["Waiting", *waiting, *waiting, "You have it already."]
    first, second, third = TooManyAtOnce.asked
    assert second - first >= 1 and third - second >= 1


@needs_node
def test_a_large_file_is_sent_in_parts_and_goes_on_where_it_failed():
    assert upload(InParts, 5) == ["Waiting", "Sent"]
    (_, announced), *sent, (last, complete) = InParts.told
    assert announced["size_bytes"] == 5
    again = ("/api/v1/uploads/u/parts", None)
    two = b"\x07\x07"
    assert sent == [("/1/3", two), ("/2/3", two), again, ("/2/2", two), ("/3/2", two[:1])]
    assert (last, complete["parts"]) == (
        "/api/v1/uploads/u/complete",
        [{"number": n, "etag": f"e{n}"} for n in (1, 2, 3)],
    )
