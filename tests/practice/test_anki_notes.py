"""Exercises as Anki notes, and Anki's cards as text."""

import sqlite3
import zipfile
from pathlib import Path
from typing import Any

import pytest
from backports import zstd

from chalicelib.errors import BadFile
from chalicelib.model.practice.anki import as_html
from chalicelib.model.practice.anki_notes import Card, RefusedCard, card_of, text_of
from chalicelib.ops.practice.anki_file import write_package
from chalicelib.providers.practice import apkg_child, apkg_reader
from chalicelib.providers.practice.apkg_reader import read_package


def test_a_text_is_shown_in_anki_as_it_is() -> None:
    hostile = '<script>x</script> {{c1::gap}} {{Text}} [sound:a.mp3] [latex]\\input{x}[/latex] \\(x\\) & "q"\n\x00\x1f'
    written = as_html(hostile)
    assert not set(written.replace("<br>", "")) & set('<>{}[]\\"\x00\x1f\x1e')
    assert text_of(written) == " ".join(hostile.partition("\n")[0].split())


@pytest.mark.parametrize(
    ("fields", "ord_", "question", "answer"),
    [
        (["<b>Front</b>&nbsp;side", "<div>Back</div><div>two</div>"], 0, "Front side", "Back\ntwo"),
        (["Front", "Back", "Extra"], 1, "Back", "Front"),
        (["{{c1::Paris}} lies on the {{c2::Seine::river}}"], 0, "____ lies on the Seine", "Paris"),
        (["{{c1::Paris}} lies on the {{c2::Seine::river}}"], 1, "Paris lies on the ____", "Seine"),
        (["{{c1::a}}, {{c1::b}} and {{c1::a}}"], 0, "____, ____ and ____", "a, b"),
        (["<style>p{}</style><script>alert(1)</script>ask[sound:x.mp3]", "say<img src=x>"], 0, "ask", "say"),
    ],
)
def test_a_card_becomes_a_question_and_its_answer(
    fields: list[str], ord_: int, question: str, answer: str
) -> None:
    card = card_of("g", ord_, fields)
    assert isinstance(card, Card)
    assert (card.question, card.answer) == (question, answer)


@pytest.mark.parametrize(
    ("fields", "ord_", "code"),
    [
        (["<img src=a.jpg>", "back"], 0, "no_text"),
        (["front"], 0, "no_text"),
        ([], 0, "no_text"),
        (["{{c1::a}}"], 4, "no_text"),
        (["a", "b"], 2, "unknown_note_type"),
        (["a" * 4001, "b"], 0, "too_long"),
        (["a", "b" * 2001], 0, "too_long"),
        (["<div>" * 50_000 + "{{c1::" * 20_000, "b"], 0, "too_long"),
    ],
)
def test_a_card_that_cannot_be_asked_is_refused_with_a_reason(
    fields: list[str], ord_: int, code: str
) -> None:
    refused = card_of("g", ord_, fields)
    assert isinstance(refused, RefusedCard), refused
    assert refused.code == code and refused.message.endswith(".")


def database(path: Path, *statements: str, notes: int = 1) -> Path:
    """Write a database with notes as Anki's old format has them, and then what the statements make of it."""
    made = sqlite3.connect(path)
    made.executescript(
        'CREATE TABLE col (decks text); INSERT INTO col VALUES (\'{"1": {"name": "Chains"}}\');'
        "CREATE TABLE notes (id integer primary key, guid text, flds text);"
        "CREATE TABLE cards (id integer primary key, nid integer, did integer, ord integer)"
    )
    made.executemany(
        "INSERT INTO notes VALUES (?, ?, ?)", [(n, f"g{n}", f"Q {n}\x1fA {n}") for n in range(notes)]
    )
    made.executemany("INSERT INTO cards VALUES (?, ?, 1, 0)", [(n, n) for n in range(notes)])
    made.commit()
    for statement in statements:
        made.executescript(statement)
    made.close()
    return path


def package(folder: Path, entries: dict[str, bytes], *, method: int = zipfile.ZIP_DEFLATED) -> str:
    path = folder / "p.apkg"
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, body in entries.items():
            archive.writestr(name, body)
    return str(path)


def hostile(folder: Path) -> dict[str, tuple[dict[str, bytes], str]]:
    """Return packages that do harm or are damaged, each with the code that refuses it."""
    plain = database(folder / "plain").read_bytes()

    def made(name: str, *statements: str, **more: Any) -> dict[str, bytes]:
        return {"collection.anki2": database(folder / name, *statements, **more).read_bytes()}

    view = "DROP TABLE notes; CREATE VIEW notes AS SELECT 1 AS id, 'g' AS guid, hex(randomblob(99999999)) AS flds"
    loop = (
        "DROP TABLE notes; CREATE VIEW notes AS WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x FROM n)"
        " SELECT x AS id, 'g' AS guid, 'f' AS flds FROM n"
    )
    calls = (
        "DROP TABLE notes; CREATE TABLE notes (id integer primary key, guid text,"
        " flds text GENERATED ALWAYS AS (hex(zeroblob(30000000))))"
        "; INSERT INTO notes (id, guid) VALUES (0, 'g')"
    )
    return {
        "no zip": ({}, "bad_package"),
        "nothing in it": ({"media": b"{}"}, "bad_package"),
        "no database": ({"collection.anki2": b"SQLite format 3\0" + b"\xff" * 5000}, "bad_package"),
        "cut off": ({"collection.anki2": plain[:3000]}, "bad_package"),
        "garbled": ({"collection.anki2": plain[:100] + b"\xff" * (len(plain) - 100)}, "bad_package"),
        "no tables": ({"collection.anki2": b""}, "bad_package"),
        "a view": (made("view", view), "bad_package"),
        "a view without end": (made("loop", loop), "bad_package"),
        "a column that is computed": (made("calls", calls), "bad_package"),
        "a virtual table": (
            made("virtual", "DROP TABLE notes; CREATE VIRTUAL TABLE notes USING fts5(id, guid, flds)"),
            "bad_package",
        ),
        "too many cards": (made("many", notes=10_001), "too_many_cards"),
        "a bomb": ({"collection.anki2": b"\0" * 30_000_000}, "suspicious_compression"),
        "a Zstandard bomb": (
            {"collection.anki21b": zstd.compress(b"\0" * 30_000_000)},
            "suspicious_compression",
        ),
        "Zstandard that is none": (
            {"collection.anki21b": b"\x28\xb5\x2f\xfd" + b"\xff" * 100},
            "bad_package",
        ),
        "Zstandard cut off": ({"collection.anki21b": zstd.compress(plain)[:-9]}, "bad_package"),
        "decks that are none": (made("decks", "UPDATE col SET decks = '[['"), "bad_package"),
    }


def test_a_package_that_is_hostile_or_damaged_is_refused_with_a_code(tmp_path: Path) -> None:
    packages = hostile(tmp_path)
    found = dict.fromkeys(packages, "")
    for name, (entries, _) in packages.items():
        path = package(tmp_path, entries) if entries else str(tmp_path / "plain")
        try:
            apkg_child.read_package(path, str(tmp_path))
        except BadFile as error:
            found[name] = error.code
    assert found == {name: code for name, (_, code) in packages.items()}


def test_the_process_that_reads_has_bounds_and_its_refusals_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(BadFile, match="no Anki package"):
        read_package(package(tmp_path, {"media": b"{}"}))
    path = package(tmp_path, {"collection.anki2": database(tmp_path / "db", notes=2).read_bytes()})
    assert len(read_package(path).cards) == 2
    monkeypatch.setattr(apkg_reader, "TIMEOUT_S", 0.01)
    with pytest.raises(BadFile) as refused:
        read_package(path)
    assert refused.value.code == "too_complex"


def test_both_formats_are_read(tmp_path: Path) -> None:
    raw = database(tmp_path / "old", notes=3).read_bytes()
    new = (
        "DROP TABLE col; CREATE TABLE decks (id integer, name text COLLATE unicase);"
        "INSERT INTO decks VALUES (1, 'A\x1fB')"
    )
    connection = sqlite3.connect(tmp_path / "old")
    connection.create_collation("unicase", lambda a, b: (a > b) - (a < b))
    connection.executescript(new)
    connection.close()
    packed = zstd.compress((tmp_path / "old").read_bytes())
    old = read_package(package(tmp_path, {"collection.anki2": raw}))
    assert [card.question for card in old.cards] == ["Q 0", "Q 1", "Q 2"] and old.name == "Chains"
    dummy = {"collection.anki2": raw[:100], "collection.anki21b": packed}
    assert read_package(package(tmp_path, dummy)).name == "A::B"


def test_the_package_of_no_note_has_its_deck(tmp_path: Path) -> None:
    path = tmp_path / "empty.apkg"
    write_package(path, deck_number=2**30, name="Empty", notes=[], pictures=[], written_s=1.0)
    assert read_package(str(path)).cards == []
