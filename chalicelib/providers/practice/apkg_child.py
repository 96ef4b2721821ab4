"""The process that reads an Anki package: `python -m chalicelib.providers.practice.apkg_child PACKAGE FOLDER`.

It prints JSON: a model.practice.anki_notes.Package, or an object with the code and the message of what is wrong. The
kernel bounds its memory, its time and what it writes to FOLDER. SQLite opens the database read-only, without
extensions, trusts nothing in its schema, and may do nothing but read three tables.
"""

import json
import resource
import signal
import sqlite3
import sys
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import msgspec

from chalicelib.errors import BadFile
from chalicelib.model.practice.anki_notes import Card, Package, RefusedCard, card_of

MEMORY_BYTES, CPU_S = 300_000_000, 40  # the function that reads has 512 MB
MAX_ENTRIES = 50_000
MAX_DATABASE_BYTES = 100_000_000
MAX_RATIO, RATIO_FROM_BYTES = 200, 1_000_000
MAX_FIELD_BYTES = 1_000_000
MAX_CARDS = 10_000
PIECE_BYTES = 256 * 1024
NEW, OLD = "collection.anki21b", ("collection.anki21", "collection.anki2")
TABLES = ("cards", "col", "decks", "notes", "sqlite_master")
_BAD_ZIP = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, ValueError, OverflowError, OSError)


def read_package(path: str, folder: str) -> Package:
    """Return the cards of the package. Raise BadFile."""
    database = Path(folder, "collection.db")
    try:
        with zipfile.ZipFile(path) as package, database.open("wb") as out:
            is_new = _unpack(package, out)
    except _BAD_ZIP as error:
        raise BadFile("This is no Anki package, or it is damaged or cut off.", code="bad_package") from error
    try:
        return _read(database, is_new=is_new)
    except (sqlite3.Error, ValueError, OverflowError) as error:
        said = "The notes of the package cannot be read: its database is damaged, or is none of Anki's."
        raise BadFile(said, code="bad_package") from error


def _unpack(package: zipfile.ZipFile, out: IO[bytes]) -> bool:
    """Write the package's database to `out`; return whether it is of Anki's new format. Raise BadFile."""
    names = package.namelist()
    if len(names) > MAX_ENTRIES:
        raise BadFile(f"The package has more than {MAX_ENTRIES:,} files.", code="too_many_entries")
    name = next((each for each in (NEW, *OLD) if each in names), None)
    if name is None:
        said = "This zip is no Anki package: it has no collection in it. In Anki, export a deck as .apkg."
        raise BadFile(said, code="bad_package")
    entry = package.getinfo(name)
    if entry.flag_bits & 0x1 or entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise BadFile("The package is encrypted or compressed in a way that is not read.", code="bad_package")
    _require_size(entry.file_size, entry.compress_size)
    with package.open(entry) as packed:
        pieces = _inflated(packed) if name == NEW else iter(lambda: packed.read(PIECE_BYTES), b"")
        size = 0
        for piece in pieces:
            size += len(piece)
            _require_size(size, entry.compress_size)
            out.write(piece)
    return name == NEW


def _require_size(size_bytes: int, packed_bytes: int) -> None:
    if size_bytes > MAX_DATABASE_BYTES:
        said = (
            f"The package's database has more than {MAX_DATABASE_BYTES:,} bytes. Export fewer decks at once."
        )
        raise BadFile(said, code="too_large")
    if size_bytes > RATIO_FROM_BYTES and size_bytes > MAX_RATIO * packed_bytes:
        said = f"The database was compressed more than {MAX_RATIO} to 1; such a package is not read."
        raise BadFile(said, code="suspicious_compression")


def _inflated(packed: IO[bytes]) -> Iterator[bytes]:
    """Yield the bytes of a Zstandard stream, PIECE_BYTES at a time."""
    try:
        from compression import zstd
    except ImportError:  # Python before 3.14
        from backports import zstd

    inflater = zstd.ZstdDecompressor(options={zstd.DecompressionParameter.window_log_max: 27})
    try:
        while not inflater.eof:
            piece = packed.read(PIECE_BYTES) if inflater.needs_input else b""
            if inflater.needs_input and not piece:
                raise EOFError
            yield inflater.decompress(piece, max_length=PIECE_BYTES)
    except zstd.ZstdError as error:
        raise ValueError("not Zstandard") from error


def _read(database: Path, *, is_new: bool) -> Package:
    connection = sqlite3.connect(f"file:{database}?mode=ro&immutable=1", uri=True)
    connection.text_factory = lambda raw: raw.decode("utf-8", "replace")
    connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, 5 * MAX_FIELD_BYTES)
    connection.setlimit(sqlite3.SQLITE_LIMIT_EXPR_DEPTH, 50)
    connection.create_collation("unicase", lambda a, b: (a > b) - (a < b))
    for pragma in ("trusted_schema = OFF", "cell_size_check = ON", "mmap_size = 0", "query_only = ON"):
        connection.execute(f"PRAGMA {pragma}")
    connection.set_authorizer(_may)
    kinds = dict(connection.execute("SELECT name, type || substr(upper(sql), 1, 13) FROM sqlite_master"))
    if any(not str(kinds.get(name, "")).startswith("tableCREATE TABLE") for name in ("notes", "cards")):
        raise ValueError("no tables of Anki's")
    rows = connection.execute(
        "SELECT nid, ord, did FROM cards ORDER BY id LIMIT ?", (MAX_CARDS + 1,)
    ).fetchall()
    if len(rows) > MAX_CARDS:
        said = f"The package has more than {MAX_CARDS:,} cards. Export fewer decks at once."
        raise BadFile(said, code="too_many_cards")
    notes = {
        nid: (str(guid), str(flds))
        for nid, guid, flds in connection.execute("SELECT id, guid, flds FROM notes")
    }
    found = [_card(notes.get(nid), ord_) for nid, ord_, _ in rows]
    return Package(
        name=_deck_name(connection, Counter(did for *_, did in rows), is_new=is_new),
        cards=[each for each in found if isinstance(each, Card)],
        refused=[each for each in found if isinstance(each, RefusedCard)],
    )


def _card(note: tuple[str, str] | None, ord_: Any) -> Card | RefusedCard:
    if note is None or not isinstance(ord_, int) or not 0 <= ord_ <= 500:
        return RefusedCard(name="card", code="no_note", message="The card has no note.")
    guid, fields = note
    if len(fields) > MAX_FIELD_BYTES:
        said = f"The note has more than {MAX_FIELD_BYTES:,} characters."
        return RefusedCard(name=guid[:100] or "note", code="too_long", message=said)
    return card_of(guid[:200], ord_, fields.split("\x1f"))


def _deck_name(connection: sqlite3.Connection, counts: "Counter[Any]", *, is_new: bool) -> str:
    """Return the name of the deck with most cards, "" if there is none."""
    if is_new:
        names = {str(each): str(name) for each, name in connection.execute("SELECT id, name FROM decks")}
    else:
        (stored,) = connection.execute("SELECT decks FROM col").fetchone() or ("{}",)
        decks = json.loads(stored)
        names = {each: str(deck.get("name")) for each, deck in decks.items() if isinstance(deck, dict)}
    most = next((names[str(did)] for did, _ in counts.most_common() if str(did) in names), "")
    return most.replace("\x1f", "::")


def _may(action: int, table: str | None, *_: Any) -> int:
    if action == sqlite3.SQLITE_SELECT or (action == sqlite3.SQLITE_READ and table in TABLES):
        return sqlite3.SQLITE_OK
    is_plain = action == sqlite3.SQLITE_FUNCTION and _[0] in ("substr", "upper")
    return sqlite3.SQLITE_OK if is_plain else sqlite3.SQLITE_DENY


def _limit_this_process() -> None:
    pages = Path("/proc/self/statm")
    mapped = int(pages.read_text().split()[0]) * resource.getpagesize() if pages.exists() else 0
    for kind, most in (
        (resource.RLIMIT_AS, mapped + MEMORY_BYTES),
        (resource.RLIMIT_CPU, CPU_S),
        (resource.RLIMIT_FSIZE, MAX_DATABASE_BYTES + PIECE_BYTES),
        (resource.RLIMIT_NOFILE, 64),
        (resource.RLIMIT_CORE, 0),
    ):
        hard = resource.getrlimit(kind)[1]
        bound = most if hard == resource.RLIM_INFINITY else min(most, hard)
        if kind != resource.RLIMIT_AS or sys.platform == "linux":
            resource.setrlimit(kind, (bound, bound))
    signal.alarm(CPU_S)


def main() -> None:
    _limit_this_process()
    try:
        found: Any = read_package(*sys.argv[1:3])
    except BadFile as error:
        found = {"code": error.code, "message": error.message}
    except (MemoryError, RecursionError):
        found = {"code": "too_much_memory", "message": "The package needs more memory than it may have."}
    sys.stdout.buffer.write(msgspec.json.encode(found))


if __name__ == "__main__":
    main()
