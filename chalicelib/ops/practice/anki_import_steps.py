"""The steps of kind anki_import: the cards of an uploaded Anki package become exercises in a deck.

The same card is the same exercise in every import, so that a package can be imported again after edits.
"""

import tempfile
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import UUID, uuid5

import msgspec

from chalicelib.errors import BadFile, InvalidInput
from chalicelib.model.ids import is_uuid
from chalicelib.model.jobs.kinds import AnkiParameters
from chalicelib.model.jobs.runs import Run, RunFile
from chalicelib.model.library.items import parse_key
from chalicelib.model.names import MAX_NAME_CHARS, checked_name
from chalicelib.model.practice.anki_notes import Card, Package
from chalicelib.model.text import UNSTORABLE
from chalicelib.model.work.tasks import Claim
from chalicelib.ops.jobs.drive import Next, Steps
from chalicelib.ops.practice.decks import fill_deck
from chalicelib.stores.accounts import users
from chalicelib.stores.jobs import files, runs
from chalicelib.stores.postgres.tx import Tx
from chalicelib.stores.practice import concepts, decks, exercises, imported
from chalicelib.stores.practice.imported import Imported

if TYPE_CHECKING:
    from chalicelib.stores.aws.blobs import Blobs
    from chalicelib.stores.postgres.postgres import Database

MAX_PACKAGE_BYTES = 100_000_000  # a function's disk has 512 MB
ANKI = UUID("6f1a52b2-6d51-4f0e-8c0e-2a2f6f0f7c11")  # the namespace of the ids of imported cards


def anki_import_steps(
    *, db: "Database", blobs: "Blobs", read: Callable[[str], Package], clock: Callable[[], datetime]
) -> Steps:
    """Return the steps of kind anki_import. It costs nothing, so that it never waits for money."""

    def validate(claim: Claim, run: Run) -> Callable[[Tx], None]:
        assert run.input_key is not None
        size_bytes, etag = blobs.size_of(run.input_key)
        if size_bytes > MAX_PACKAGE_BYTES:
            said = f"The package has {size_bytes:,} bytes; at most {MAX_PACKAGE_BYTES:,} are taken."
            raise BadFile(f"{said} Export it without media.", code="too_large")
        return lambda tx: _begin(tx, claim, run, size_bytes, etag)

    def step(claim: Claim, run: Run, may_begin: bool) -> Callable[[Tx], Next]:
        assert run.input_key is not None
        with tempfile.TemporaryDirectory(prefix="collections-") as folder:
            path = str(Path(folder, "package"))
            blobs.download(run.input_key, path, max_bytes=MAX_PACKAGE_BYTES)
            package = read(path)
        if not package.cards:
            told = f" {package.refused[0].message}" if package.refused else ""
            raise BadFile(f"The package has no card that can be asked.{told}", code="no_cards")
        wanted = msgspec.convert(run.parameters, AnkiParameters).deck_name
        file_name = parse_key(run.input_key).name
        name = _name(wanted or package.name, file_name)
        return lambda tx: _store(tx, claim, package, name, file_name, now=clock())

    return Steps(validate=validate, step=step)


def _begin(tx: Tx, claim: Claim, run: Run, size_bytes: int, etag: str) -> None:
    runs.set_input(tx, claim.user_id, run.id, key=run.input_key or "", etag=etag)
    runs.set_progress(tx, claim.user_id, run.id, {"archive_bytes": size_bytes})


def _name(wanted: str, file_name: str) -> str:
    """Return a name that a deck may have: the wanted one, or else the file's."""
    try:
        return checked_name(" ".join(UNSTORABLE.sub("", wanted).split())[:MAX_NAME_CHARS])
    except InvalidInput:
        return file_name[:MAX_NAME_CHARS]


def _store(tx: Tx, claim: Claim, package: Package, name: str, file_name: str, *, now: datetime) -> Next:
    user_id = claim.user_id
    users.ensure(tx, user_id)
    ours = [card.guid for card in package.cards if is_uuid(card.guid)]
    known = set(ours) - set(exercises.list_missing(tx, user_id, ours))
    ids = [card.guid if card.guid in known else _id(card) for card in package.cards]
    rows = {
        id_: _imported(id_, card) for id_, card in zip(ids, package.cards, strict=True) if id_ not in known
    }
    if rows:
        concept = concepts.ensure(tx, user_id, claim.run, name)
        imported.upsert(tx, user_id, list(rows.values()), concept_id=concept.id, file_name=file_name)
    deck_id = decks.ensure(tx, user_id, claim.run, name)
    unique = list(dict.fromkeys(ids))
    fill_deck(tx, user_id, deck_id, unique, now=now)
    refused = [
        RunFile(number=n, name=each.name, outcome="failed", code=each.code, message=each.message)
        for n, each in enumerate(package.refused, start=1)
    ]
    if refused:
        files.insert(tx, user_id, claim.run, refused)
    runs.set_total(tx, user_id, claim.run, len(unique) + len(refused))
    runs.add_counts(tx, user_id, claim.run, done=len(unique), failed=len(refused))
    return Next(is_over=True)


def _id(card: Card) -> str:
    return str(uuid5(ANKI, f"{card.guid}\x1f{card.ord}"))


def _imported(id_: str, card: Card) -> Imported:
    question, answer = (UNSTORABLE.sub(" ", text) for text in (card.question, card.answer))
    return Imported(
        id=id_,
        is_cloze=card.is_cloze,
        question=question,
        answer=answer,
        hint=f"It begins with “{answer.strip()[:1]}”.",
    )
