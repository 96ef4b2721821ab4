"""Reading a long document a batch at a time, for tests that interrupt it."""

from collections.abc import Callable
from typing import Any

from chalicelib import wiring
from chalicelib.model.ingest.files import DecodedFile, FileLimits, Page, ReadBounds, text_size
from chalicelib.model.library.items import ItemRef
from chalicelib.model.work.tasks import Claim
from chalicelib.ops.ingest import ingest
from chalicelib.ops.ingest.manage import delete_item
from chalicelib.providers.ingest.decoder import Decoder
from chalicelib.stores.postgres.postgres import Database
from tests.support.long_pdf import make_long_pdf
from tests.support.world import World

ALICE_A = ItemRef(user_id="alice", item_id="a")
CHUNKS = "SELECT ordinal, page, char_start, char_end, text FROM chunks WHERE source = 'text' ORDER BY id"
# Some blank, some beyond ASCII, some of several chunks.
TEXTS = [
    "" if n % 5 == 4 else f"Page {n} {'öäü' * (n % 2)}" + "\nA sentence. It is long. And another." * n
    for n in range(1, 21)
]


class Killed(BaseException):
    """The process ends here: nothing catches it, as nothing survives a SIGKILL."""


class Reader(Decoder):
    """Notes the pages it reads; `before` and `after` are called with each batch's first page."""

    def __init__(self) -> None:
        super().__init__(limits=FileLimits(max_text_chars=100_000))
        self.read: list[int] = []
        self.size = 0
        self.before: Callable[[int], object] = lambda first: None
        self.after: Callable[[int], object] = lambda first: None

    def decode(self, path: str, declared_media_type: str | None = None, **bounds: Any) -> DecodedFile:
        self.before(1)
        decoded = super().decode(path, declared_media_type, **bounds)
        self._note(decoded.pages)
        return decoded

    def read_pages(self, path: str, first_page: int, **bounds: Any) -> tuple[Page, ...]:
        self.before(first_page)
        pages = super().read_pages(path, first_page, **bounds)
        self._note(pages)
        return pages

    def _note(self, pages: tuple[Page, ...]) -> None:
        self.read += [page.number for page in pages]
        self.size += sum(text_size(page.text) for page in pages)
        if pages:
            self.after(pages[0].number)


def read(
    world: World,
    reader: Reader,
    *,
    pages: int = 3,
    left_s: float = 100.0,
    limits: FileLimits = FileLimits(max_text_chars=100_000),  # noqa: B008
    db: Database | None = None,
) -> None:
    """One invocation of the first stage, in batches of so many pages."""

    def work(claim: Claim) -> Any:
        return ingest.process_item(
            claim,
            db=db or world.db,
            blobs=wiring.blobs(),
            reader=reader,
            limits=limits,
            bounds=ReadBounds(pages=pages),
            time_left_s=lambda: left_s,
        )

    world.sql("UPDATE tasks SET run_after = now() WHERE state = 'ready'")
    world.do_stage("process", ALICE_A, work)


def put(world: World, texts: list[str], *, image_px: int = 0) -> dict[str, Any]:
    """Return a document that is registered, and not read yet."""
    event = world.put("alice/a.pdf", make_long_pdf(texts, image_px=image_px))
    ingest.register_object(
        ingest.Arrival(
            key=ingest.parse_key("alice/a.pdf"),
            etag=event["detail"]["object"]["etag"],
            sequencer=event["detail"]["object"]["sequencer"],
        ),
        db=world.db,
    )
    return event


def state(world: World) -> tuple[str, int, int]:
    """Return the first stage's state, its attempts, and the checkpoint."""
    (task,) = world.sql("SELECT state, attempt FROM tasks WHERE stage = 'process'")
    return (*task, world.item("a")["pages_read"])


def in_one_go(world: World, reader: Reader) -> list[Any]:
    """Return the chunks of TEXTS read at once; the item is gone again."""
    put(world, TEXTS)
    read(world, reader, pages=100)
    found = world.sql(CHUNKS)
    assert state(world) == ("done", 1, 20) and len(found) > 20
    forget(world, reader)
    return found


def forget(world: World, reader: Reader) -> None:
    """The item as if it had never been."""
    delete_item(ALICE_A, db=world.db, blobs=wiring.blobs())
    world.sql("DELETE FROM object_deletions")
    reader.read.clear()
