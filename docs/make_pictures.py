"""Writes docs/answer.webp, docs/source.webp and docs/search.webp: the console as Chromium shows it, for the README.

With `make run` up and the samples ready:
    python3 docs/make_pictures.py [http://127.0.0.1:8000]
Needs Chromium or Chrome (CHROMIUM=path names one) and nothing beyond Python's standard library.
"""

import base64
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

HERE = Path(__file__).parent
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
WIDTH_PX, HEIGHT_PX, QUALITY, MAX_BYTES = 900, 660, 80, 100_000
WAIT_S = 60.0

# For each picture: what is done on the page, from the picture before on; each step again until it is true.
PICTURES = {
    "search.webp": (
        'document.readyState === "complete" && typeof $ === "function" && !$("gallery").hidden',
        '($("query").value = "bill for repairing a bicycle wheel", search(), true)',
        'document.querySelectorAll("#hits img[src]").length > 3',
    ),
    "answer.webp": (
        '($("clear").click(), $("query").value = "", $("ask-open").click(), true)',
        '($("question").value = "How much may a hotel in Zurich cost?", $("ask").requestSubmit(), true)',
        'document.querySelector("#talk .cite") !== null',
        "(document.activeElement.blur(), true)",
    ),
    "source.webp": (
        '(document.querySelector("#talk .cite").click(), $("source").open)',
        '$("source-page").complete && $("source-page").naturalWidth > 0',
        "(document.activeElement.blur(), true)",
    ),
}


class Browser:
    """A Chromium without a window, spoken to over two pipes: JSON messages, each with a zero byte behind it."""

    def __init__(self, program: str, profile: str) -> None:
        theirs_in, self._to = os.pipe()
        self._from, theirs_out = os.pipe()
        root = ["--no-sandbox"] if os.geteuid() == 0 else []
        options = [*root, "--headless", "--remote-debugging-pipe", f"--user-data-dir={profile}"]
        # The protocol wants descriptors 3 and 4.
        command = f'exec "$@" 3<&{theirs_in} 4>&{theirs_out}'
        self._process = subprocess.Popen(
            ["bash", "-c", command, "bash", program, *options],
            pass_fds=(theirs_in, theirs_out),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(theirs_in)
        os.close(theirs_out)
        self._unread, self._count, self._session = b"", 0, {}
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        attached = self.call("Target.attachToTarget", targetId=target, flatten=True)
        self._session = {"sessionId": attached["sessionId"]}

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Return the result of a command of the DevTools protocol; RuntimeError when it is refused."""
        self._count += 1
        message = {"id": self._count, "method": method, "params": parameters, **self._session}
        os.write(self._to, json.dumps(message).encode() + b"\0")
        for answer in self._messages():
            if answer.get("id") == self._count:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']['message']}")
                return answer["result"]
        raise RuntimeError("Chromium ended")

    def wait_for(self, expression: str) -> None:
        """Evaluate JavaScript until it is true; RuntimeError after 60 s."""
        give_up_at = time.monotonic() + WAIT_S
        while time.monotonic() < give_up_at:
            if self.call("Runtime.evaluate", expression=expression)["result"].get("value") is True:
                return
            time.sleep(0.2)
        raise RuntimeError(f"this did not come true: {expression}")

    def close(self) -> None:
        self._process.terminate()
        self._process.wait()

    def _messages(self) -> Iterator[dict[str, Any]]:
        while True:
            first, zero, rest = self._unread.partition(b"\0")
            if zero:
                self._unread = rest
                yield json.loads(first)
            elif piece := os.read(self._from, 65_536):
                self._unread += piece
            else:
                return


@contextmanager
def browser() -> Iterator[Browser]:
    program = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)
    if program is None:
        sys.exit("There is no Chromium here. On Debian: apt-get install chromium. Or name one: CHROMIUM=path")
    with TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        running = Browser(program, profile)
        try:
            yield running
        finally:
            running.close()


def take(window: Browser, steps: tuple[str, ...], path: Path) -> None:
    """Do the steps on the page and write what is seen then."""
    for step in steps:
        window.wait_for(step)
    time.sleep(0.5)  # a picture that has loaded is not yet drawn
    taken = window.call("Page.captureScreenshot", format="webp", quality=QUALITY)
    picture = base64.b64decode(taken["data"])
    if len(picture) > MAX_BYTES:
        raise RuntimeError(f"{path.name} has {len(picture):,} bytes, more than {MAX_BYTES:,}")
    path.write_bytes(picture)
    print(f"{path.name}: {len(picture):,} bytes")


def main(address: str) -> None:
    size = {"width": WIDTH_PX, "height": HEIGHT_PX, "deviceScaleFactor": 1, "mobile": False}
    with browser() as window:
        window.call("Emulation.setDeviceMetricsOverride", **size)
        window.call("Emulation.setScrollbarsHidden", hidden=True)
        if wrong := window.call("Page.navigate", url=address).get("errorText"):
            raise RuntimeError(f"{address} does not answer ({wrong}); is `make run` up?")
        for name, steps in PICTURES.items():
            take(window, steps, HERE / name)


if __name__ == "__main__":
    try:
        main(sys.argv[1] if len(sys.argv) > 1 else "http://127.0.0.1:8000")
    except RuntimeError as failure:
        sys.exit(str(failure))
