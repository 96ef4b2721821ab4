"""The process that decodes. Started by decoder.py as `python -m chalicelib.providers.decoder_child FD`.

It loads the libraries once and forks a child a file. The child is bounded by the kernel in
address space (not on macOS, which does not enforce it), processor time, wall time and the
size of what it writes. Requests come as JSON lines on stdin, one at a time; the child writes
its result into file FD, and one word on stdout says how it ended. End of stdin ends it all.

The bounds hold against files that crash, hang or bloat a library. They are no sandbox against
code execution: the child has its own environment and no secrets in it, but the user's rights.
"""

import json
import os
import resource
import select
import signal
import sys
import traceback
from dataclasses import asdict
from typing import Any

from chalicelib.errors import CollectionsError
from chalicelib.model.files import DecodedFile, FileLimits
from chalicelib.providers.decode_image import decode_image
from chalicelib.providers.decode_pdf import decode_pdf, draw_pdf_page

CHILD_FAILED = 70
_RESULT_SLACK_BYTES = 64 * 1024 * 1024


def serve(result_fd: int) -> None:
    """Answer requests until stdin ends: "done" when a result was written, or else the reason code."""
    print("ready", flush=True)
    while line := sys.stdin.buffer.readline():
        request = json.loads(line)
        request["limits"] = FileLimits(**request["limits"])
        print(run_bounded(request, result_fd), flush=True)


def run_bounded(request: dict[str, Any], result_fd: int) -> str:
    """Decode in a forked child; kill it at its deadline, or when our own parent goes away."""
    limits: FileLimits = request["limits"]
    alive_r, alive_w = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(alive_r)
        os._exit(_run_child(request, result_fd))
    os.close(alive_w)
    # The child's end closes when it exits. Nothing but the end is due on stdin meanwhile.
    ready, _, _ = select.select([alive_r, sys.stdin], [], [], limits.timeout_s)
    os.close(alive_r)
    in_time = alive_r in ready
    if not in_time:
        os.kill(child, signal.SIGKILL)
    _, status, usage = os.wait4(child, 0)
    if sys.stdin in ready and not in_time:
        raise SystemExit
    return _explain(status, in_time=in_time, peak_bytes=_peak_bytes(usage), limits=limits)


def _run_child(request: dict[str, Any], result_fd: int) -> int:
    _limit_this_process(request["limits"])
    with open(os.devnull, "r+b") as nowhere:
        os.dup2(nowhere.fileno(), 0)
        os.dup2(nowhere.fileno(), 1)
    try:
        _write_result(result_fd, *_answer(request))
    except MemoryError:
        _write_result(result_fd, {"code": "too_much_memory"}, [])
    except BaseException:  # noqa: BLE001  a forked child must not return into its parent's loop
        traceback.print_exc()
        return CHILD_FAILED
    return 0


def _limit_this_process(limits: FileLimits) -> None:
    cpu_s = int(limits.timeout_s) + 1
    for kind, most in (
        (resource.RLIMIT_AS, _address_space_bytes() + limits.memory_bytes),
        (resource.RLIMIT_CPU, cpu_s),
        (resource.RLIMIT_FSIZE, 4 * limits.max_text_chars + _RESULT_SLACK_BYTES),
        (resource.RLIMIT_NOFILE, 64),
        (resource.RLIMIT_CORE, 0),
    ):
        hard = resource.getrlimit(kind)[1]
        most, above = (
            (most, most + 1) if hard == resource.RLIM_INFINITY else (min(most, hard), min(most + 1, hard))
        )
        if kind != resource.RLIMIT_AS or sys.platform == "linux":
            # One apart: past the soft limit of processor time is SIGXCPU, past the hard one a mere SIGKILL.
            resource.setrlimit(kind, (most, above))
    # For the case that the process that watches the clock is killed: the kernel watches too.
    signal.setitimer(signal.ITIMER_REAL, limits.timeout_s + 1)


def _address_space_bytes() -> int:
    """What is mapped before a file is touched, the libraries most of it; 0 where that is not to be had."""
    if sys.platform != "linux":
        return 0
    with open("/proc/self/statm", encoding="ascii") as statm:
        return int(statm.read().split()[0]) * resource.getpagesize()


def _answer(request: dict[str, Any]) -> tuple[dict[str, Any], list[bytes]]:
    """The result's header and the byte strings that follow it."""
    path, limits = request["path"], request["limits"]
    try:
        if "page_number" in request:
            page_number, width_px = request["page_number"], request["width_px"]
            return {"code": None}, [draw_pdf_page(path, page_number, width_px=width_px, limits=limits)]
        if request["media_type"] == "application/pdf":
            decoded = decode_pdf(path, limits=limits)
        else:
            decoded = decode_image(path, media_type=request["media_type"], limits=limits)
    except CollectionsError as error:
        return {"code": error.code}, []
    return {"code": None, "fields": _plain_fields(decoded)}, _blobs(decoded)


def _plain_fields(decoded: DecodedFile) -> dict[str, Any]:
    fields = asdict(decoded)
    for name in ("pages", "thumbnail_jpeg", "preview_jpeg"):
        del fields[name]
    return fields


def _blobs(decoded: DecodedFile) -> list[bytes]:
    return [decoded.thumbnail_jpeg, decoded.preview_jpeg, *(page.text.encode() for page in decoded.pages)]


def _write_result(fd: int, header: dict[str, Any], blobs: list[bytes]) -> None:
    """The header's length in four bytes, the header as JSON with the blobs' sizes, the blobs."""
    head = json.dumps({**header, "sizes": [len(blob) for blob in blobs]}).encode()
    with open(fd, "wb", closefd=False) as result:
        result.seek(0)
        for part in (len(head).to_bytes(4, "big"), head, *blobs):
            result.write(part)


def _explain(status: int, *, in_time: bool, peak_bytes: int, limits: FileLimits) -> str:
    """One word for how the child ended."""
    if not in_time:
        return "too_slow"
    if os.WIFEXITED(status):
        return "done" if os.WEXITSTATUS(status) == 0 else "decoder_crashed"
    by_signal = os.WTERMSIG(status)
    if by_signal in (signal.SIGXCPU, signal.SIGALRM):
        return "too_slow"
    # PDFium ends itself by a trap when memory is refused: told from a crash by how much it had.
    if by_signal == signal.SIGKILL or peak_bytes > limits.memory_bytes // 2:
        return "too_much_memory"
    return "decoder_crashed"


def _peak_bytes(usage: resource.struct_rusage) -> int:
    return usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)


if __name__ == "__main__":
    serve(int(sys.argv[1]))
