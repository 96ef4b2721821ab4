"""Pages drawn side by side: a light one is not kept waiting by heavy ones, nor one caller by another."""

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from time import sleep

import pytest
from chalice.test import Client

import app
from chalicelib import wiring
from chalicelib.errors import NotFound, Unavailable
from chalicelib.model.ingest.files import FileLimits
from chalicelib.providers.ingest.decoder import Decoder
from chalicelib.providers.ingest.drawing_pool import MAX_WAIT_S, DrawingPool
from chalicelib.stores.aws import local_copies
from tests.support.guide import PATH, PDF, kept
from tests.support.world import World


@pytest.fixture
def pools() -> Iterator[list[DrawingPool]]:
    made: list[DrawingPool] = []
    yield made
    for pool in made:
        pool.close()


def pool_of(pools: list[DrawingPool], size: int, *, max_wait_s: float = 0.0) -> DrawingPool:
    pools.append(DrawingPool(lambda: Decoder(limits=FileLimits()), size=size, max_wait_s=max_wait_s))
    return pools[-1]


def is_lent(pool: DrawingPool, caller: str) -> bool:
    try:
        with pool.lend(caller):
            return True
    except Unavailable:
        return False


def test_at_most_so_many_are_lent_and_those_that_came_back_are_lent_again(pools: list[DrawingPool]) -> None:
    pool = pool_of(pools, 2)
    with pool.lend("ann") as first, pool.lend("bob") as second:
        assert first.__self__ is not second.__self__  # type: ignore[attr-defined]
        assert not is_lent(pool, "carl")
    with pytest.raises(ValueError, match="drawing failed"), pool.lend("ann"):
        raise ValueError("drawing failed")
    with pool.lend("ann") as again, pool.lend("bob") as last:
        assert {again.__self__, last.__self__} == {first.__self__, second.__self__}  # type: ignore[attr-defined]


def test_a_decoder_that_cannot_be_made_is_not_lent(pools: list[DrawingPool]) -> None:
    """No file descriptor is left, say: once there are some again, as many decoders are lent as ever."""
    made = iter([OSError(24, "Too many open files")] * 3)

    def make() -> Decoder:
        for failure in made:
            raise failure
        return Decoder(limits=FileLimits())

    pool = DrawingPool(make, size=1, max_wait_s=0.0)
    pools.append(pool)
    for _ in range(3):
        with pytest.raises(OSError, match="Too many"), pool.lend("ann"):
            pass
    assert is_lent(pool, "ann")


def test_one_caller_leaves_a_decoder_to_the_others(pools: list[DrawingPool]) -> None:
    pool = pool_of(pools, 3)
    with pool.lend("ann"), pool.lend("ann"):
        assert not is_lent(pool, "ann")
        assert is_lent(pool, "bob")
    alone = pool_of(pools, 1)
    assert is_lent(alone, "ann"), "of one decoder nothing can be left"


def test_whoever_has_the_fewest_comes_next_and_among_equals_who_came_first(pools: list[DrawingPool]) -> None:
    pool, turns = pool_of(pools, 3, max_wait_s=60.0), list[str]()
    may_go = threading.Event()

    def wait_as(caller: str) -> None:
        with pool.lend(caller):
            turns.append(caller)
            may_go.wait(60)

    carls = [ExitStack(), ExitStack()]
    with pool.lend("ann"), carls[0], carls[1]:
        for held in carls:
            held.enter_context(pool.lend("carl"))
        waiting = [
            threading.Thread(target=wait_as, args=(each,), daemon=True) for each in ("ann", "bob", "dora")
        ]
        for number, thread in enumerate(waiting, start=1):
            thread.start()
            until(lambda number=number: len(pool._waiting) == number)  # type: ignore[misc]
        for number, held in enumerate(carls, start=1):
            held.close()
            until(lambda number=number: len(turns) == number)  # type: ignore[misc]
        may_go.set()
    for thread in waiting:
        thread.join()
    assert turns == ["bob", "dora", "ann"]


def until(holds: Callable[[], bool]) -> None:
    for _ in range(10_000):
        if holds():
            return
        sleep(0.001)
    raise AssertionError("this never came")


def test_a_page_is_drawn_while_others_are(world: World, tmp_path: Path, guide: None) -> None:
    """Another page of the same file and pages of other files are in the making, and take as long as they like."""
    world.ingest("alice/other.pdf", PDF + b"1")
    rows = world.sql("SELECT key, sha256 FROM items")
    client, statuses = Client(app.app, project_dir=str(tmp_path)), list[int]()
    path = f"{PATH}/pages/1/image?width=100"
    one = threading.Thread(target=lambda: statuses.append(client.http.get(path).status_code), daemon=True)
    wiring.drawing_pool()._size = 3
    with ExitStack() as drawing:
        for key, sha256 in rows:
            drawing.enter_context(wiring.drawing_pool().lend("bob"))
            drawing.enter_context(wiring.local_copies().open("alice", key, sha256=sha256))
        one.start()
        one.join(60)
        assert statuses == [200]


def test_who_would_wait_too_long_is_told_to_come_again(
    world: World, tmp_path: Path, guide: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert wiring.drawing_pool()._max_wait_s == MAX_WAIT_S
    wiring.drawing_pool()._max_wait_s = 0.0
    client = Client(app.app, project_dir=str(tmp_path))
    with ExitStack() as drawing:
        for number in range(wiring.drawing_pool()._size):
            drawing.enter_context(wiring.drawing_pool().lend(f"user-{number}"))
        answer = client.http.get(f"{PATH}/pages/1/image")
        assert (answer.status_code, answer.json_body["code"]) == (503, "busy_drawing")
        assert int(answer.headers["Retry-After"]) > 0
    assert client.http.get(f"{PATH}/pages/1/image?width=100").status_code == 200


def test_a_file_stays_while_somebody_reads_it(world: World) -> None:
    for number in range(4):
        world.ingest(f"alice/{number}.pdf", PDF + b"%d" % number)
    rows = world.sql("SELECT key, sha256 FROM items ORDER BY id")
    copies = wiring.local_copies()
    with ExitStack() as reading:
        paths = [
            Path(reading.enter_context(copies.open("alice", key, sha256=sha256))) for key, sha256 in rows
        ]
        assert [path.read_bytes()[-1:] for path in paths] == [b"0", b"1", b"2", b"3"]
        reading.enter_context(copies.open("alice", rows[0][0], sha256=rows[0][1]))
        assert len(kept()) == 4
    assert len(kept()) == local_copies.KEPT


def test_a_download_that_fails_is_tried_by_the_next_reader(world: World, guide: None) -> None:
    ((key, sha256),) = world.sql("SELECT key, sha256 FROM items")
    s3 = world.aws.client("s3")
    body = s3.get_object(Bucket=wiring.settings().images_bucket, Key=key)["Body"].read()
    s3.delete_object(Bucket=wiring.settings().images_bucket, Key=key)
    copies = wiring.local_copies()
    for _ in range(2):
        with pytest.raises(NotFound), copies.open("alice", key, sha256=sha256):
            pass
        assert kept() == []
    s3.put_object(Bucket=wiring.settings().images_bucket, Key=key, Body=body)
    with copies.open("alice", key, sha256=sha256) as path:
        assert Path(path).read_bytes() == PDF
