"""The helper process that decodes. decoder.py starts it as `python -m chalicelib.providers.ingest.decoder_child FD`.

It loads the libraries once, warms them up with files of its own, and forks a child in advance. A child decodes one file
and ends; meanwhile the next one is forked. The kernel bounds a child's address space (except on macOS), its processor
time and the size of its output; this process bounds its wall time. Requests come as JSON lines on stdin, one at a time.
The child writes its result into file FD, and one word on stdout tells how it ended. The process ends with stdin.

The bounds stop files that make a library crash, hang or use too much memory. They are no sandbox against code
execution: the child has no secrets in its environment, but the user's rights.
"""

import io
import json
import os
import resource
import select
import signal
import socket
import sys
import traceback
from typing import Any

from msgspec import Struct
from msgspec.structs import asdict
from PIL import Image

from chalicelib.errors import BadFile, CollectionsError
from chalicelib.model.ingest.files import DecodedFile, FileLimits, ReadBounds, scans_of
from chalicelib.providers.ingest.decode_image import decode_image
from chalicelib.providers.ingest.decode_pdf import decode_pdf, draw_pdf_page, read_pdf_pages

CHILD_FAILED = 70
_RESULT_SLACK_BYTES = 64 * 1024 * 1024
_WARM_PDF = b"""%PDF-1.4
1 0 obj <</Type/Catalog/Pages 2 0 R>> endobj
2 0 obj <</Type/Pages/Count 1/Kids[3 0 R]/MediaBox[0 0 9 9]>> endobj
3 0 obj <</Type/Page/Parent 2 0 R/Contents 4 0 R/Resources<</Font<</F 5 0 R>>>>>> endobj
4 0 obj <</Length 20>> stream
BT /F 9 Tf (a) Tj ET
endstream endobj
5 0 obj <</Type/Font/Subtype/Type1/BaseFont/Helvetica>> endobj
trailer <</Root 1 0 R>>
%%EOF"""


class _Child(Struct, frozen=True, kw_only=True):
    """A forked child. It reads a request from the channel, and writes one byte when it is done."""

    pid: int
    channel: socket.socket


def serve(result_fd: int) -> None:
    """Serve requests until stdin ends. Print "done" when a result was written, or else the reason code."""
    _warm_up()
    waiting = _fork_child(result_fd)
    print("ready", flush=True)
    while line := sys.stdin.buffer.readline():
        child = waiting
        if not _hand_over(child, line):  # it was lost while it waited, which is not the file's fault
            _reap(child, kill=True)
            child = _fork_child(result_fd)
            _hand_over(child, line)
        waiting = _fork_child(result_fd)
        _see_out(child, FileLimits(**json.loads(line)["limits"]))


def _fork_child(result_fd: int) -> _Child:
    ours, its = socket.socketpair()
    pid = os.fork()
    if pid == 0:
        ours.close()
        os._exit(_run_child(its, result_fd))
    its.close()
    return _Child(pid=pid, channel=ours)


def _hand_over(child: _Child, line: bytes) -> bool:
    try:
        child.channel.sendall(line)
    except (BrokenPipeError, ConnectionResetError):
        return False
    return True


def _see_out(child: _Child, limits: FileLimits) -> None:
    """Print how the child ended. Kill it at its deadline, or when our own parent ends."""
    # The channel closes when the child exits. Meanwhile only the end of stdin can come.
    ready, _, _ = select.select([child.channel, sys.stdin], [], [], limits.timeout_s)
    in_time = child.channel in ready
    if in_time and _has_answered(child):
        print("done", flush=True)  # printed first, as freeing a child's memory takes as long as a small file
        _reap(child, kill=True)
        return
    status, peak_bytes = _reap(child, kill=not in_time)
    if sys.stdin in ready and not in_time:
        raise SystemExit
    print(_explain(status, in_time=in_time, peak_bytes=peak_bytes, limits=limits), flush=True)


def _has_answered(child: _Child) -> bool:
    try:
        return child.channel.recv(1) != b""
    except ConnectionResetError:  # the child ended before it read its request
        return False


def _reap(child: _Child, *, kill: bool) -> tuple[int, int]:
    """Return the ended child's status and its peak memory in bytes."""
    if kill:
        os.kill(child.pid, signal.SIGKILL)
    child.channel.close()
    _, status, usage = os.wait4(child.pid, 0)
    return status, usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def _run_child(channel: socket.socket, result_fd: int) -> int:
    try:
        with open(os.devnull, "r+b") as nowhere:
            os.dup2(nowhere.fileno(), 0)
            os.dup2(nowhere.fileno(), 1)
        line = channel.makefile("rb").readline()
        if line:
            _answer_within_limits(json.loads(line), result_fd)
            channel.sendall(b".")
    except BaseException:  # noqa: BLE001  a forked child must not return into its parent's loop
        traceback.print_exc()
        return CHILD_FAILED
    return 0


def _answer_within_limits(request: dict[str, Any], result_fd: int) -> None:
    request["limits"] = FileLimits(**request["limits"])
    _limit_this_process(request["limits"])
    try:
        _write_result(result_fd, *_answer(request))
    except MemoryError:
        _write_result(result_fd, {"code": "too_much_memory"}, [])


def _warm_up() -> None:
    """Decode an image and a PDF, so that every child has what the libraries load at first use."""
    exif = Image.Exif()
    exif.get_ifd(34665)[36867] = "2000:01:01 00:00:00"
    jpeg = io.BytesIO()
    Image.new("RGB", (600, 16)).save(jpeg, "JPEG", exif=exif)
    decode_image(jpeg, media_type="image/jpeg", limits=FileLimits())
    decode_pdf(_WARM_PDF, limits=FileLimits(), bounds=ReadBounds())


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
            # The limits differ by one: the soft one gives SIGXCPU, the hard one only SIGKILL.
            resource.setrlimit(kind, (most, above))
    # The kernel watches too, in case that the process that watches the clock is killed.
    signal.setitimer(signal.ITIMER_REAL, limits.timeout_s + 1)


def _address_space_bytes() -> int:
    """Return the memory mapped before a file is read, mostly by libraries; 0 if the system does not tell it."""
    if sys.platform != "linux":
        return 0
    with open("/proc/self/statm", encoding="ascii") as statm:
        return int(statm.read().split()[0]) * resource.getpagesize()


def _answer(request: dict[str, Any]) -> tuple[dict[str, Any], list[bytes]]:
    """Return the result's header and the byte strings that follow it."""
    path, limits = request["path"], request["limits"]
    try:
        if "page_number" in request:
            wanted = {name: request[name] for name in ("page_number", "width_px", "spans")}
            return {"code": None}, [draw_pdf_page(path, **wanted, limits=limits)]
        bounds = ReadBounds(**request["bounds"])
        if "first_page" in request:
            first, left = request["first_page"], request["text_size_left"]
            pages = read_pdf_pages(path, first_page=first, text_size_left=left, limits=limits, bounds=bounds)
            return {"code": None, "scans": scans_of(pages)}, [page.text.encode() for page in pages]
        if request["media_type"] == "application/pdf":
            decoded = decode_pdf(path, limits=limits, bounds=bounds)
        else:
            decoded = decode_image(path, media_type=request["media_type"], limits=limits)
    except BadFile as error:
        return {"code": error.code, "codec": error.codec}, []
    except CollectionsError as error:
        return {"code": error.code}, []
    header = {"code": None, "fields": _plain_fields(decoded), "scans": scans_of(decoded.pages)}
    return header, _blobs(decoded)


def _plain_fields(decoded: DecodedFile) -> dict[str, Any]:
    fields = asdict(decoded)
    for name in ("pages", "thumbnail_jpeg", "preview_jpeg"):
        del fields[name]
    return fields


def _blobs(decoded: DecodedFile) -> list[bytes]:
    return [decoded.thumbnail_jpeg, decoded.preview_jpeg, *(page.text.encode() for page in decoded.pages)]


def _write_result(fd: int, header: dict[str, Any], blobs: list[bytes]) -> None:
    """Write the header's length in four bytes, the header as JSON with the blobs' sizes, and the blobs."""
    head = json.dumps({**header, "sizes": [len(blob) for blob in blobs]}).encode()
    with open(fd, "wb", closefd=False) as result:
        result.seek(0)
        for part in (len(head).to_bytes(4, "big"), head, *blobs):
            result.write(part)


def _explain(status: int, *, in_time: bool, peak_bytes: int, limits: FileLimits) -> str:
    """Return one word for how the child ended."""
    if not in_time:
        return "too_slow"
    if os.WIFEXITED(status):
        return "decoder_crashed"
    by_signal = os.WTERMSIG(status)
    if by_signal in (signal.SIGXCPU, signal.SIGALRM):
        return "too_slow"
    # PDFium traps if it gets no memory; the memory that it had tells this from a crash.
    if by_signal == signal.SIGKILL or peak_bytes > limits.memory_bytes // 2:
        return "too_much_memory"
    return "decoder_crashed"


if __name__ == "__main__":
    serve(int(sys.argv[1]))
