"""The steps of kind anki_export: the pictures of a deck, some in each step, then its package.

A step leaves its pictures in S3; the last one puts them into the package and has them deleted.
"""

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING

import msgspec

from chalicelib.errors import CollectionsError, Conflict, InvalidInput, NotFound
from chalicelib.model.jobs.exports import DECK_FILE
from chalicelib.model.jobs.kinds import DeckParameters
from chalicelib.model.jobs.runs import Run, file_key
from chalicelib.model.library.items import ItemRef
from chalicelib.model.library.page_text import join_chunks, shown_span
from chalicelib.model.practice.anki import (
    MAX_MEDIA_BYTES,
    MAX_NOTES,
    MAX_PICTURES,
    Picture,
    deck_number,
    link_of,
    note_of,
    picture_of,
)
from chalicelib.model.practice.exercises import StoredExercise
from chalicelib.model.work.tasks import Claim
from chalicelib.ops.jobs.drive import Next, Steps
from chalicelib.ops.practice.anki_file import write_package
from chalicelib.providers import Render
from chalicelib.stores.ingest import chunks, uploads
from chalicelib.stores.jobs import runs
from chalicelib.stores.library import items
from chalicelib.stores.postgres.tx import Tx
from chalicelib.stores.practice import decks, exercises

if TYPE_CHECKING:
    from chalicelib.stores.aws.blobs import Blobs
    from chalicelib.stores.aws.local_copies import LocalCopies
    from chalicelib.stores.postgres.postgres import Database

PICTURES_S = 8.0  # no picture is begun in a step after that
WIDTH_PX = 900


class Drawing:
    """The pictures of a run, made one by one."""

    def __init__(
        self, claim: Claim, *, db: "Database", blobs: "Blobs", copies: "LocalCopies", render: Render
    ):
        self._claim, self._db, self._blobs = claim, db, blobs
        self._copies, self._render = copies, render

    def key(self, name: str) -> str:
        return file_key(self._claim.user_id, self._claim.run, name)

    def store(self, picture: Picture) -> int:
        """Store the picture for the run's last step; return its bytes, 0 if it cannot be made."""
        try:
            jpeg = self._draw(picture)
        except CollectionsError as error:
            if error.retryable and not isinstance(error, Conflict):
                raise
            return 0
        if not jpeg:
            return 0
        self._blobs.put(self.key(picture.name), jpeg, content_type="image/jpeg")
        return len(jpeg)

    def _draw(self, picture: Picture) -> bytes:
        ref = ItemRef(user_id=self._claim.user_id, item_id=picture.item_id)
        item = self._db.transact(ref.user_id, lambda tx: items.get(tx, ref))
        if picture.page is None:
            return self._blobs.get(item.preview_key) if item.preview_key else b""
        spans = [self._shown(ref, picture.page, picture.span)] if picture.span else []
        if item.sha256 is None:
            return b""
        with self._copies.open(ref.user_id, item.key, sha256=item.sha256) as path:
            return self._render(path, picture.page, width_px=WIDTH_PX, spans=spans)

    def _shown(self, ref: ItemRef, page: int, span: tuple[int, int]) -> tuple[int, int]:
        rows = self._db.transact(ref.user_id, lambda tx: chunks.list_of_page(tx, ref, page))
        text = join_chunks([(row.char_start, row.text) for row in rows if row.source == "text"])
        if span[1] > len(text):
            raise NotFound("The page has another text now.")
        return shown_span(text, *span)


def anki_steps(
    *,
    db: "Database",
    blobs: "Blobs",
    copies: "LocalCopies",
    render: Render,
    console_url: str | None,
) -> Steps:
    """Return the steps of kind anki_export. It costs nothing, so that it never waits for money."""

    def validate(claim: Claim, run: Run) -> Callable[[Tx], None]:
        _read(claim, run, db=db)
        return lambda tx: runs.set_progress(tx, claim.user_id, run.id, {"pictures": {}})

    def step(claim: Claim, run: Run, may_begin: bool) -> Callable[[Tx], Next]:
        drawing = Drawing(claim, db=db, blobs=blobs, copies=copies, render=render)
        name, listed = _read(claim, run, db=db)
        made: dict[str, int] = dict(run.progress["pictures"])
        waiting = _waiting(listed, made)
        if waiting:
            end_s = monotonic() + PICTURES_S
            for picture in waiting:
                made[picture.name] = drawing.store(picture)
                if monotonic() > end_s:
                    break
            return lambda tx: _go_on(tx, claim, made)
        size_bytes = _write(run, name, listed, made, drawing, blobs=blobs, console_url=console_url)
        return lambda tx: _end(tx, claim, [drawing.key(each) for each in made], size_bytes)

    return Steps(validate=validate, step=step)


def _read(claim: Claim, run: Run, *, db: "Database") -> tuple[str, list[StoredExercise]]:
    """Return the deck's name and exercises, in order, without those that are retired. Raise NotFound, InvalidInput."""
    deck_id = msgspec.convert(run.parameters, DeckParameters).deck_id

    def read(tx: Tx) -> tuple[str, list[StoredExercise]]:
        deck = decks.get(tx, claim.user_id, deck_id)
        rows = decks.list_exercises(tx, claim.user_id, deck_id, after=None, limit=MAX_NOTES + 1)
        if len(rows) > MAX_NOTES:
            said = f"The deck has {deck.exercise_count:,} exercises; at most {MAX_NOTES:,} fit a package. Divide it."
            raise InvalidInput(said, code="deck_too_large")
        found = exercises.list_some(tx, claim.user_id, [exercise_id for _, exercise_id in rows])
        listed = [found[exercise_id] for _, exercise_id in rows if exercise_id in found]
        return deck.name, [each for each in listed if each.retired_at is None]

    return db.transact(claim.user_id, read)


def _waiting(listed: Sequence[StoredExercise], made: dict[str, int]) -> list[Picture]:
    if sum(made.values()) >= MAX_MEDIA_BYTES:
        return []
    wanted = {picture.name: picture for each in listed if (picture := picture_of(each))}
    return [picture for name, picture in list(wanted.items())[:MAX_PICTURES] if name not in made]


def _go_on(tx: Tx, claim: Claim, made: dict[str, int]) -> Next:
    runs.set_progress(tx, claim.user_id, claim.run, {"pictures": made})
    return Next()


def _write(
    run: Run,
    name: str,
    listed: Sequence[StoredExercise],
    made: dict[str, int],
    drawing: Drawing,
    *,
    blobs: "Blobs",
    console_url: str | None,
) -> int:
    """Write the package to S3; return its bytes. Safe to repeat."""
    with tempfile.TemporaryDirectory(prefix="collections-") as folder:
        pictures, notes = dict[str, Path](), []
        for exercise in listed:
            picture = picture_of(exercise)
            has_picture = picture is not None and made.get(picture.name, 0) > 0
            if picture is not None and has_picture and picture.name not in pictures:
                pictures[picture.name] = Path(folder, picture.name)
                pictures[picture.name].write_bytes(blobs.get(drawing.key(picture.name)))
            link = link_of(exercise, console_url) if console_url else None
            notes.append(
                note_of(exercise, picture=picture.name if picture and has_picture else None, link=link)
            )
        path = Path(folder, DECK_FILE)
        write_package(
            path,
            deck_number=deck_number(run.parameters["deck_id"]),
            name=name,
            notes=notes,
            pictures=list(pictures.values()),
            written_s=run.created_at.timestamp(),
        )
        size_bytes = path.stat().st_size
        with path.open("rb") as body:
            blobs.put(drawing.key(DECK_FILE), body, content_type="application/octet-stream")
    return size_bytes


def _end(tx: Tx, claim: Claim, keys: Sequence[str], size_bytes: int) -> Next:
    uploads.insert_deletions(tx, claim.user_id, dict.fromkeys(keys))
    runs.set_progress(tx, claim.user_id, claim.run, {"pictures": {}, "zip_bytes": size_bytes})
    return Next(is_over=True)
