"""The zip of an export: its entries' names, what is known of each entry, and where its writing goes on."""

from typing import Any, Literal

import msgspec
from msgspec import Struct

from chalicelib.model.jobs.runs import ENDED, Run
from chalicelib.patterns import pattern

FORMAT, FORMAT_VERSION = "collections-export", 3
EXPORT_FILE = "export.zip"
DECK_FILE = "deck.apkg"
FILES = {"export": EXPORT_FILE, "anki_export": DECK_FILE}  # of a run, by its kind
PART_BYTES = 8 * 1024 * 1024  # S3 takes parts of at least 5 MiB
MAX_PARTS = 10_000  # S3's limit
MAX_NAME_CHARS = 120
Phase = Literal[
    "items", "collections", "conversations", "concepts", "review_settings", "exercises", "decks", "end"
]
NEXT_PHASE: dict[Phase, Phase] = {
    "items": "collections",
    "collections": "conversations",
    "conversations": "concepts",
    "concepts": "review_settings",
    "review_settings": "exercises",  # what is planned says with which settings
    "exercises": "decks",
    "decks": "end",
}
# Every table that has rows of a user is in one of these; a test compares them with the database's catalogue.
TABLES: dict[str, Phase] = {
    "items": "items",
    "analyses": "items",
    "chunks": "items",
    "vectors": "items",
    "collections": "collections",
    "collection_items": "collections",
    "conversations": "conversations",
    "messages": "conversations",
    "citations": "conversations",
    "concepts": "concepts",
    "exercises": "exercises",
    "evaluations": "exercises",
    "remediations": "exercises",
    "reviews": "exercises",
    "cards": "exercises",
    "review_settings": "review_settings",
    "decks": "decks",
    "deck_exercises": "decks",
}
LEFT_OUT = {
    "users": "the account itself: who imports has one",
    "accounts": "the account itself: who imports has one",
    "account_deletions": "what is left of an account that is gone",
    "api_keys": "credentials",
    "idempotency_keys": "of requests, for a day",
    "model_answers": "a cache of models' answers",
    "uploads": "made again with the items",
    "pages": "the index of words is made again from the text",
    "postings": "the index of words is made again from the text",
    "term_df": "the index of words is made again from the text",
    "corpus_stats": "the index of words is made again from the text",
    "coded_owners": "codes are made again from the vectors",
    "codes": "made again from the vectors",
    "usage_ledger": "what was paid where it was used",
    "jobs": "what is to be done here; a webhook and a schedule are of this place",
    "job_runs": "work that is done; its lines are kept for 30 days",
    "run_files": "work that is done; its lines are kept for 30 days",
    "tasks": "work that is at hand",
    "outbox": "events that are on their way",
    "item_events": "timelines: what was done here",
    "object_deletions": "files that are being deleted",
    "dead_letters": "the operator's: events that no function could handle",
    "spending": "what was paid where it was used",
    "reservations": "what is being paid where it is used",
    "cache_entries": "responses of services behind the gateway",
    "runs": "answers of an earlier release, which have moved to tasks",
    "webhooks": "addresses with their secrets",
    "webhook_secrets": "credentials",
    "webhook_deliveries": "what was sent, for 30 days",
}
_UNSAFE = pattern(r'[\x00-\x1f\x7f-\x9f/\\:*?"<>|\u200b-\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]')


class Entry(Struct, frozen=True, kw_only=True):
    """An entry of the zip that is written, with the fields of its line in the zip's directory."""

    name: str
    size_bytes: int
    sha256: str
    compressed_bytes: int
    crc: int
    offset: int
    method: int
    flags: int


class Kept(Struct, frozen=True, kw_only=True):
    """An object in S3 that one step leaves for the next ones."""

    key: str
    etag: str
    size_bytes: int


class Progress(Struct, frozen=True, kw_only=True):
    """The position of an export, kept as `progress` of its run.

    `offset` counts all bytes of the zip so far: those of `parts`, given as S3's etags, and those of `tail`, which are
    too few for a part. `directory` has the entries so far, in JSON lines. `after` is the last id of this phase.
    """

    phase: Phase = "items"
    after: str | None = None
    step: int = 0
    offset: int = 0
    parts: tuple[str, ...] = ()
    tail: Kept | None = None
    directory: tuple[Kept, ...] = ()
    counts: dict[str, int] = {}
    zip_bytes: int | None = None

    @property
    def kept(self) -> tuple[Kept, ...]:
        return (*self.directory, *((self.tail,) if self.tail else ()))


def progress_of(stored: Any) -> Progress:
    """Return the progress as it is stored with a run; the beginning's when none is."""
    return msgspec.convert(stored, Progress)


def export_of(run: Run) -> str | None:
    """Return the name of the file that this run has written to download, None if there is none, or not yet."""
    name = FILES.get(run.kind) if run.is_of_job and run.state in ENDED else None
    return name if name is not None and run.progress.get("zip_bytes") is not None else None


def original_path(number: int, name: str) -> str:
    """Return the entry's name of a file. The number makes it unique; the rest is safe as a file's name anywhere."""
    safe = _UNSAFE.sub("_", name)[-MAX_NAME_CHARS:].strip(" .")
    return f"originals/{number:06}/{safe or 'file'}"
