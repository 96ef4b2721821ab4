"""Decodes files in other processes: this process never parses their bytes.

    Decoder --JSON line--> decoder_child (long-lived, libraries loaded) --fork--> one child a file
       ^------ result in an unlinked scratch file, memory and time bounded by the kernel -----'

A file that cannot be processed raises BadFile. model.files.REASONS has the codes and the users' messages. The content
decides: a .png that is a JPEG is a JPEG, and a .jpg that is HTML has an unsupported format. Only an image that was
announced as a PDF, or the reverse, is mislabelled.
"""

import json
import os
import select
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from typing import IO, Any, cast

from msgspec.structs import asdict, replace

from chalicelib.errors import InvalidInput, Misconfigured, NotFound, Unavailable
from chalicelib.model.ingest.files import (
    KIND_OF_MEDIA_TYPE,
    REASONS,
    SNIFF_BYTES,
    DecodedFile,
    FileLimits,
    Page,
    ReadBounds,
    bad_file,
    ends_early,
    paginate,
    sniff_media_type,
)
from chalicelib.providers.child import APP_ROOT, bare_environment

PAGE_TIMEOUT_S = 15.0  # somebody is waiting, and several pages may be drawn at once
_HELPER_MODULE = "chalicelib.providers.ingest.decoder_child"
_GRACE_S = 5.0
_START_S = 30.0
_MAX_HEADER_BYTES = 1024 * 1024
_MAX_PAGE_PX = 4000
_OF_MEMORY = {
    "GLIBC_TUNABLES": "glibc.malloc.hugetlb=1",  # saves two thirds of the page faults for a page's pixels
    "OBJC_DISABLE_INITIALIZE_FORK_SAFETY": "YES",  # macOS would abort a forked child
}


class Decoder:
    """Decodes one file at a time in a helper process, which starts with the first file and is restarted when it dies.

    Thread-safe. The helper ends when this process ends, in whatever way.
    """

    def __init__(self, *, limits: FileLimits) -> None:
        self._limits = limits
        self._lock = threading.Lock()
        self._helper: subprocess.Popen[bytes] | None = None
        self._scratch = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115  lives as long as this does

    def decode(
        self,
        path: str,
        declared_media_type: str | None = None,
        *,
        bounds: ReadBounds = ReadBounds(),  # noqa: B008  frozen
        timeout_s: float | None = None,
    ) -> DecodedFile:
        """Decode the local file `path`; of a document, the first batch of pages.

        Raise BadFile. Raise Unavailable after `timeout_s` if it is less than the file's own limit. An unknown declared
        type is ignored.
        """
        media_type = self._admit(path)
        declared_kind = KIND_OF_MEDIA_TYPE.get(declared_media_type or "")
        if declared_kind not in (None, KIND_OF_MEDIA_TYPE[media_type]):
            raise bad_file("mislabelled", self._limits)
        with self._lock:
            header = self._run(path, timeout_s, media_type=media_type, bounds=asdict(bounds))
            blobs = _read_blobs(self._scratch.fileno(), header)
            return DecodedFile(
                **header["fields"],
                thumbnail_jpeg=next(blobs),
                preview_jpeg=next(blobs),
                pages=paginate((text.decode() for text in blobs), scans=set(header["scans"])),
            )

    def read_pages(
        self,
        path: str,
        first_page: int,
        *,
        text_size_left: int,
        bounds: ReadBounds,
        timeout_s: float | None = None,
    ) -> tuple[Page, ...]:
        """Return a batch of a PDF's pages from `first_page` on, at least one. Raise as `decode` does.

        `text_size_left` is the part of max_text_chars that the pages before have left.
        """
        if self._admit(path) != "application/pdf":
            raise bad_file("unsupported_format", self._limits)
        with self._lock:
            header = self._run(
                path,
                timeout_s,
                first_page=first_page,
                text_size_left=text_size_left,
                bounds=asdict(bounds),
            )
            blobs = _read_blobs(self._scratch.fileno(), header)
            return paginate((text.decode() for text in blobs), first=first_page, scans=set(header["scans"]))

    def render_page(
        self,
        path: str,
        page_number: int,
        *,
        width_px: int,
        spans: Sequence[tuple[int, int]] = (),
        timeout_s: float = PAGE_TIMEOUT_S,
    ) -> bytes:
        """Return a page of a PDF as a JPEG with edges of at most 4,000 px. Pages count from 1.

        `spans` of its text are marked; they count as in model.page_text.shown_span. Raise BadFile, NotFound, and
        Unavailable after `timeout_s`.
        """
        if not 1 <= width_px <= _MAX_PAGE_PX:
            raise InvalidInput(f"A page can be 1 to {_MAX_PAGE_PX} px wide.", field="width_px")
        if self._admit(path) != "application/pdf":
            raise bad_file("unsupported_format", self._limits)
        with self._lock:
            header = self._run(path, timeout_s, page_number=page_number, width_px=width_px, spans=list(spans))
            return next(_read_blobs(self._scratch.fileno(), header))

    def close(self) -> None:
        """End the helper. A later decode starts another."""
        with self._lock:
            self._stop()

    def _admit(self, path: str) -> str:
        """Return the file's media type by its first bytes. Raise BadFile if these suffice to refuse it."""
        with open(path, "rb") as file:
            size_bytes = os.fstat(file.fileno()).st_size
            media_type = sniff_media_type(file.read(SNIFF_BYTES))
        if size_bytes == 0:
            raise bad_file("empty_file", self._limits)
        if size_bytes > self._limits.max_bytes:
            raise bad_file("too_large", self._limits)
        if media_type is None:
            raise bad_file("unsupported_format", self._limits)
        return media_type

    def _run(self, path: str, timeout_s: float | None, **request: Any) -> dict[str, Any]:
        """Return the header of the result in the scratch file. The caller holds the lock."""
        path = os.path.abspath(path)
        os.ftruncate(self._scratch.fileno(), 0)
        allowed_s = self._limits.timeout_s
        given_s = allowed_s if timeout_s is None else max(0.0, min(timeout_s, allowed_s))
        limits = asdict(replace(self._limits, timeout_s=given_s))
        line = json.dumps({"path": path, **request, "limits": limits}).encode() + b"\n"
        # If the helper was lost in the first attempt, it is not the file's fault.
        word = self._ask(line, given_s) or self._ask(line, given_s)
        if word == "too_slow" and given_s < allowed_s:
            raise Unavailable("There was too little time left to read the file.", code="out_of_time")
        header = _read_header(self._scratch.fileno()) if word == "done" else {"code": word}
        code = header["code"]
        if code is None:
            return header
        if code == "no_such_page":
            raise NotFound(f"The document has no page {request['page_number']}.")
        if code == "corrupt" and _is_cut_off(path):
            code = "truncated"
        raise bad_file(
            code if code in REASONS else "decoder_crashed", self._limits, codec=header.get("codec")
        )

    def _ask(self, line: bytes, timeout_s: float) -> str:
        """Return the helper's response to a request, "" if the helper was lost."""
        helper = self._helper or self._start()
        try:
            cast(IO[bytes], helper.stdin).write(line)
        except BrokenPipeError:
            word = ""
        else:
            word = _read_word(helper, timeout_s=timeout_s + _GRACE_S)
        if word in ("", "late"):
            self._stop()
        return "too_slow" if word == "late" else word

    def _start(self) -> subprocess.Popen[bytes]:
        self._helper = subprocess.Popen(  # noqa: S603  our own interpreter and module
            [sys.executable, "-BWignore", "-m", _HELPER_MODULE, str(self._scratch.fileno())],
            bufsize=0,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=APP_ROOT,
            env=bare_environment() | _OF_MEMORY,
            pass_fds=[self._scratch.fileno()],
            start_new_session=True,
        )
        if _read_word(self._helper, timeout_s=_START_S) != "ready":
            self._stop()
            raise Misconfigured("The process that decodes files does not start.")
        return self._helper

    def _stop(self) -> None:
        helper, self._helper = self._helper, None
        if helper is None:
            return
        if helper.returncode is None:  # it is not reaped yet, so the group's id is still its own
            os.killpg(helper.pid, signal.SIGKILL)
        with helper:
            pass  # closes the pipes and waits


def _read_word(helper: subprocess.Popen[bytes], *, timeout_s: float) -> str:
    """Return the next line the helper writes, "" when it ended, "late" when there is none in time."""
    stdout = cast(IO[bytes], helper.stdout)
    poll = select.poll()
    poll.register(stdout, select.POLLIN)
    if not poll.poll(timeout_s * 1000):
        return "late"
    return stdout.readline().decode().strip()


def _read_header(fd: int) -> dict[str, Any]:
    length = int.from_bytes(os.pread(fd, 4, 0), "big")
    header: dict[str, Any] = json.loads(os.pread(fd, min(length, _MAX_HEADER_BYTES), 4))
    return {**header, "start": 4 + length}


def _read_blobs(fd: int, header: dict[str, Any]) -> Iterator[bytes]:
    """Yield the texts and pictures one by one, so that a long document is not in memory twice."""
    start = header["start"]
    for size_bytes in header["sizes"]:
        yield os.pread(fd, size_bytes, start)
        start += size_bytes


def _is_cut_off(path: str) -> bool:
    with open(path, "rb") as file:
        size_bytes = os.fstat(file.fileno()).st_size
        head = file.read(SNIFF_BYTES)
        file.seek(max(0, size_bytes - 1024))
        tail = file.read()
    media_type = sniff_media_type(head)
    return media_type is not None and ends_early(media_type, head=head, tail=tail, size_bytes=size_bytes)
