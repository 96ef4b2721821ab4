"""Zip archives: read by ranges, within bounds, with a verdict for each that is hostile or damaged."""

import io
import tracemalloc
import zipfile
from typing import Any

import pytest

from chalicelib.errors import BadFile
from chalicelib.model.jobs import archives
from chalicelib.model.jobs.archives import EntryLimits
from chalicelib.ops.jobs import file_steps
from chalicelib.stores.aws.ranges import WINDOW_BYTES, RangedObject
from tests.support import hostile_zips as hostile
from tests.support.running import RUNS, Runner, zipped
from tests.support.world import jpeg

LIMITS = EntryLimits(max_file_bytes=200 * 1024 * 1024)


class Bytes:
    """The store's get_range over bytes in memory; it counts what is asked for."""

    def __init__(self, body: bytes) -> None:
        self.body, self.asked = body, list[int]()

    def get_range(self, key: str, start: int, size_bytes: int, *, etag: str) -> bytes:
        self.asked.append(size_bytes)
        return self.body[start : start + size_bytes]


def ranged(store: Bytes) -> Any:
    return RangedObject(
        store,  # type: ignore[arg-type]
        "k",
        size_bytes=len(store.body),
        etag="e",
        max_read_bytes=archives.MAX_DIRECTORY_BYTES,
        too_large_code="too_many_entries",
    )


def photos(count: int) -> list[tuple[str, bytes]]:
    return [(f"photos/{number}.jpg", jpeg(size=(64 + number, 48))) for number in range(count)]


def verdicts(body: bytes, limits: EntryLimits = LIMITS) -> dict[str, str] | str:
    """Return the code of each entry by its name, "ok" for one that is read; or the code of the whole archive."""
    found = {}
    try:
        archive = archives.open_archive(ranged(Bytes(body)))
        archives.check_length(archive, limits)
        for file in archives.list_files(archive, limits):
            code = file.code or "ok"
            if file.outcome is None:
                try:
                    assert sum(map(len, archives.read_entry(archive, file.number))) == file.size_bytes
                except BadFile as error:
                    code = error.code
            found[file.name] = code
    except BadFile as error:
        return error.code
    return found


@pytest.mark.parametrize(
    ("body", "verdict"),
    [
        (hostile.bomb_of_one, {"zeros.pdf": "suspicious_compression"}),
        (hostile.bomb_that_lies, {"a.pdf": "corrupt_entry"}),
        (hostile.bomb_of_nests, {f"{number}.zip": "nested_archive" for number in range(4)}),
        (hostile.hundred_thousand, "too_many_entries"),
        (hostile.quine, {"quine.zip": "nested_archive"}),
        (hostile.wrong_crc, {"a.jpg": "corrupt_entry", "b.jpg": "ok"}),
        (hostile.truncated, "bad_archive"),
        (hostile.cut_in_the_middle, {"a.jpg": "corrupt_entry"}),
        (hostile.encrypted, {"a.jpg": "encrypted", "b.jpg": "ok"}),
        (hostile.a_link, {"link.jpg": "not_a_file"}),
        (hostile.zip64, {"a.jpg": "ok"}),
        (hostile.claims_of_zip64, "bad_archive"),
        (lambda: hostile.method(zipfile.ZIP_LZMA), {"a.pdf": "unsupported_compression"}),
        (lambda: hostile.method(zipfile.ZIP_BZIP2), {"a.pdf": "unsupported_compression"}),
        (lambda: zipped([]), {}),
        (lambda: b"PK\x03\x04", "bad_archive"),
        (lambda: zipped([("empty.jpg", b""), ("folder/", b"")]), {"empty.jpg": "empty_file"}),
        (lambda: zipped([("Ünï/日本.jpg", jpeg())]), {"Ünï/日本.jpg": "ok"}),
        (lambda: zipped([("__MACOSX/._a.jpg", b"x")]), {"__MACOSX/._a.jpg": "system_file"}),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_each_archive_has_its_verdict(body: Any, verdict: Any) -> None:
    assert verdicts(body()) == verdict


@pytest.mark.parametrize(
    "name", ["../a.jpg", "a/../../b.jpg", "/etc/a.jpg", "C:/a.jpg", "..\\a.jpg", "a\\b.jpg", "a\n.jpg"]
)
def test_a_name_that_leads_out_is_refused(name: str) -> None:
    found = verdicts(hostile.names(name))
    assert isinstance(found, dict)
    assert found.pop("good.jpg") == "ok"
    assert list(found.values()) == ["unsafe_name"]


def test_entries_that_share_their_bytes_are_read_once_at_most() -> None:
    archive = archives.open_archive(ranged(Bytes(hostile.bomb_of_overlaps())))
    files = list(archives.list_files(archive, EntryLimits(max_file_bytes=10**9, max_total_bytes=250_000)))
    assert [file.code for file in files[:3]] == [None, None, "archive_too_large"]
    assert {file.code for file in files[2:]} == {"archive_too_large"}


def test_files_beyond_the_bound_of_all_are_refused() -> None:
    found = verdicts(hostile.bomb_of_many(), EntryLimits(max_file_bytes=10**9, max_total_bytes=10_000))
    assert isinstance(found, dict)
    assert list(found.values()).count("ok") == 4
    assert list(found.values()).count("archive_too_large") == 296


def test_each_bound_of_an_archive_holds(runner: Runner, monkeypatch: pytest.MonkeyPatch) -> None:
    three = zipped([(f"{number}.pdf", b"%PDF" * 30) for number in range(3)])
    assert verdicts(three, EntryLimits(max_file_bytes=120, max_entries=3)) == dict.fromkeys(
        ("0.pdf", "1.pdf", "2.pdf"), "ok"
    )
    assert verdicts(three, EntryLimits(max_file_bytes=120, max_entries=2)) == "too_many_entries"
    assert verdicts(three, EntryLimits(max_file_bytes=119)) == dict.fromkeys(
        ("0.pdf", "1.pdf", "2.pdf"), "too_large"
    )
    store = Bytes(hostile.hundred_thousand())
    with pytest.raises(BadFile) as refused:
        archives.open_archive(ranged(store))
    assert refused.value.code == "too_many_entries"
    assert max(store.asked) < archives.MAX_DIRECTORY_BYTES, (
        "the list is not read to find out that it is too long"
    )
    monkeypatch.setattr(file_steps, "INPUT_MAX_BYTES", len(three) - 1)
    runner.world.run(runner.send(run_id := runner.begin(), three, filename="a.zip"))
    assert runner.run(run_id)["error"]["code"] == "too_large"


def test_two_files_of_one_name_are_two_files() -> None:
    with pytest.warns(UserWarning, match="Duplicate name"):
        body = zipped([("a.jpg", jpeg()), ("a.jpg", jpeg("blue"))])
    archive = archives.open_archive(ranged(Bytes(body)))
    read = [
        b"".join(archives.read_entry(archive, file.number)) for file in archives.list_files(archive, LIMITS)
    ]
    assert read == [jpeg(), jpeg("blue")]


def test_whatever_is_changed_there_is_a_verdict() -> None:
    for seed in range(300):
        found = verdicts(hostile.noise(seed))
        assert isinstance(found, (dict, str))


def test_an_archive_is_never_whole_in_memory() -> None:
    body = zipped([(f"{number}.pdf", b"\0\1" * 4_000_000) for number in range(8)], method=zipfile.ZIP_STORED)
    store = Bytes(body)
    tracemalloc.start()
    archive = archives.open_archive(ranged(store))
    for file in archives.list_files(archive, LIMITS):
        for part in archives.read_entry(archive, file.number):
            assert len(part) <= archives.PART_BYTES + archives.PIECE_BYTES
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert max(store.asked) <= max(WINDOW_BYTES, archives.MAX_DIRECTORY_BYTES)
    assert sum(store.asked) < 1.3 * len(body)
    assert peak < 4 * archives.PART_BYTES < len(body)


def test_a_run_says_what_became_of_each_entry(runner: Runner) -> None:
    run_id = runner.begin(kind="zip_import")
    entries = [("../../etc/a.jpg", jpeg("blue")), ("in/good.jpg", jpeg()), ("more.zip", b"PK")]
    body = zipped([*entries, ("sly.pdf", hostile.quine())])
    runner.give(run_id, body, filename="a.zip")
    assert runner.outcomes(run_id) == {
        "../../etc/a.jpg": ("failed", "unsafe_name"),
        "in/good.jpg": ("done", None),
        "more.zip": ("failed", "nested_archive"),
        "sly.pdf": ("failed", "unsupported_format"),
    }
    assert runner.run(run_id)["state"] == "partially_succeeded"
    keys = [key for key in runner.world.objects() if key.endswith("good.jpg")]
    assert keys == [f"alice/_runs/{run_id}/2/good.jpg"]


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (hostile.truncated, "bad_archive"),
        (jpeg, "not_an_archive"),
        (hostile.hundred_thousand, "too_many_entries"),
    ],
)
def test_a_run_says_what_is_wrong_with_its_archive(runner: Runner, body: Any, code: str) -> None:
    run_id = runner.begin(kind="zip_import")
    runner.give(run_id, body(), filename="a.zip")
    run = runner.run(run_id)
    assert (run["state"], run["error"]["code"], run["attempts"]) == ("failed", code, 1)
    assert runner("POST", f"{RUNS}/{run_id}/retry")[1]["code"] == "nothing_to_retry"


def test_an_archive_that_is_overwritten_meanwhile_is_not_mixed(
    runner: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(file_steps, "ENTRIES_A_STEP", 1)
    run_id = runner.begin()
    event = runner.send(run_id, zipped(photos(3)), filename="a.zip")
    read = archives.read_entry

    def overwritten(archive: Any, number: int) -> Any:
        found = read(archive, number)
        runner.world.put(event["detail"]["object"]["key"], zipped([("b.jpg", jpeg("blue"))]))
        return found

    monkeypatch.setattr(archives, "read_entry", overwritten)
    runner.world.run(event)
    runner.settle()
    run = runner.run(run_id)
    assert (run["state"], run["error"]["code"]) == ("failed", "input_changed")


def test_the_reader_seeks_and_reads_as_a_file() -> None:
    body = bytes(range(256)) * 8192
    file, same = ranged(Bytes(body)), io.BytesIO(body)
    for whence, offset, size in (
        (0, 5, 10),
        (1, 100, 2_000_000),
        (2, -7, 20),
        (0, 0, 3),
        (2, 0, 5),
        (0, 3_000_000, 1),
    ):
        assert (file.seek(offset, whence), file.read(size)) == (same.seek(offset, whence), same.read(size))
    with pytest.raises(OSError, match="before the beginning"):
        file.seek(-1)
