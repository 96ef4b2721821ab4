"""Anki packages over the API: a deck written with pictures and links, twice after an edit, and one taken in."""

import io
import json
import re
import sqlite3
import urllib.request
import zipfile
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from chalicelib import wiring
from chalicelib.ops.practice import anki_steps
from tests.practice.conftest import CHAIN, make_exercises
from tests.support.library_api import upload
from tests.support.talking import Talk
from tests.support.world import jpeg

CONSOLE = "https://app.example.org"
GENERATE = "/api/exercise/generate"


def run_of(talk: Talk, **job: Any) -> str:
    made = talk("POST", "/api/v1/jobs", {"name": "anki", **job})
    assert made.status == 201, made
    begun = talk("POST", "/api/v1/runs", {"job_id": made.body["id"]})
    assert begun.status == 201, begun
    return str(begun.body["id"])


def export(talk: Talk, deck_id: str) -> tuple[dict[str, Any], bytes]:
    """Write the deck; return the run and the package."""
    run_id = run_of(talk, kind="anki_export", parameters={"deck_id": deck_id})
    talk.world.run()
    run: dict[str, Any] = talk("GET", f"/api/v1/runs/{run_id}").body
    assert run["state"] == "succeeded", run
    place = talk("GET", run["export_url"]).headers["Location"]
    return run, urllib.request.urlopen(place, timeout=10).read()


def notes(package: bytes, folder: Path) -> dict[str, tuple[int, list[str]]]:
    """Return (modified, fields) of each note by its guid."""
    with zipfile.ZipFile(io.BytesIO(package)) as archive:
        archive.extract("collection.anki2", folder)
    connection = sqlite3.connect(folder / "collection.anki2")
    rows = connection.execute("SELECT guid, mod, flds FROM notes").fetchall()
    connection.close()
    return {guid: (mod, fields.split("\x1f")) for guid, mod, fields in rows}


def media(package: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(package)) as archive:
        return {name: archive.read(number) for number, name in json.loads(archive.read("media")).items()}


def deck_of(talk: Talk, *exercise_ids: str, name: str = "Chains") -> str:
    deck_id = str(talk("POST", "/api/v1/decks", {"name": name}).body["id"])
    talk("POST", f"/api/v1/decks/{deck_id}/exercises", {"exercise_ids": list(exercise_ids)})
    return deck_id


def take(talk: Talk, package: bytes, **parameters: Any) -> dict[str, Any]:
    """Import the package; return the run."""
    run_id = run_of(talk, kind="anki_import", parameters=parameters)
    form = talk("GET", f"/api/v1/runs/{run_id}/upload-url?filename={quote('spanish words.apkg')}").body
    upload(form, package)
    talk.world.run(talk.world.event_of(form["key"], len(package)))
    run: dict[str, Any] = talk("GET", f"/api/v1/runs/{run_id}").body
    return run


@pytest.fixture
def at_home(talk: Talk) -> Talk:
    talk.monkeypatch.setenv("CONSOLE_URL", CONSOLE)
    wiring.settings.forget()
    return talk


def test_a_deck_goes_out_with_pictures_and_links_and_an_edit_updates_its_notes(
    at_home: Talk, tmp_path: Path
) -> None:
    talk = at_home
    talk.world.ingest("alice/chain.pdf", CHAIN)
    spool = {"concept_id": "wear of a bicycle chain", "student_id": "s"}
    made = [talk("POST", GENERATE, {**spool, "kind": kind}).body for kind in ("multiple_choice", "cloze")]
    ids = [each["exercise"]["exercise_id"] for each in reversed(made)]
    deck_id = deck_of(talk, *ids, *make_exercises(talk, 1))
    _, package = export(talk, deck_id)
    first, pictures = notes(package, tmp_path), media(package)
    assert len(first) == 3 and set(ids) < set(first)
    (cloze, _, picture, source), choice = first[ids[0]][1], first[ids[1]][1]
    assert re.search(r"\{\{c1::[^{}]+\}\}", cloze) and "____" not in cloze
    assert choice[1] == made[0]["exercise"]["expected_steps"][0]
    assert f'href="{CONSOLE}/#/exercises/{ids[0]}"' in source and "chain.pdf, page 1" in source
    name = re.search(r'src="(.+?)"', picture)
    assert name and pictures[name[1]][:2] == b"\xff\xd8", "the page, with the quote marked"
    assert first.keys() - set(ids) and all(
        each[1][2] == "" for guid, each in first.items() if guid not in ids
    )
    talk.world.sql(f"UPDATE exercises SET question = 'Edited: ____' WHERE id = '{ids[0]}'")
    talk.world.sql("UPDATE job_runs SET created_at = created_at - interval '1 minute'")
    _, again = export(talk, deck_id)
    second = notes(again, tmp_path)
    assert second.keys() == first.keys() and second[ids[0]][1][0].startswith("Edited: {{c1::")
    assert all(second[guid][0] >= first[guid][0] for guid in first)
    left = talk.world.sql("SELECT key FROM object_deletions")
    assert {key.rpartition("/")[2] for (key,) in left} >= set(pictures), "pictures are in the package alone"


def test_an_image_is_in_the_package(at_home: Talk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    talk = at_home
    talk.world.ingest("alice/photo.jpg", jpeg(size=(300, 200)))
    (exercise,) = make_exercises(talk, 1)
    caption = talk.world.sql("SELECT text, source, char_start FROM chunks WHERE item_id = 'photo' LIMIT 1")[0]
    talk.world.sql(
        f"UPDATE exercises SET item_id = 'photo', item_name = 'photo.jpg', source = '{caption[1]}',"
        f" quote = '{caption[0]}', page_start = {caption[2]}, page_end = {caption[2] + len(caption[0])},"
        f" item_sha256 = (SELECT sha256 FROM items WHERE id = 'photo')"
    )
    deck_id = deck_of(talk, exercise)
    _, package = export(talk, deck_id)
    ((_, body),) = media(package).items()
    assert body[:2] == b"\xff\xd8"
    monkeypatch.setattr(anki_steps, "MAX_MEDIA_BYTES", 0)
    _, bare = export(talk, deck_id)
    assert media(bare) == {} and notes(bare, tmp_path)[exercise][1][2] == ""


def test_a_deck_that_is_not_ones_own_or_too_large_is_not_written(
    talk: Talk, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = make_exercises(talk, 3)
    deck_id = deck_of(talk, *ids)
    talk.be("bob")
    job = {"name": "n", "kind": "anki_export"}
    for wrong in (deck_id, "nonsense"):
        refused = talk("POST", "/api/v1/jobs", {**job, "parameters": {"deck_id": wrong}})
        assert (refused.status, refused.body["field"]) == (404, "parameters.deck_id")
    assert talk("POST", "/api/v1/jobs", job).status == 400
    talk.be("alice")
    monkeypatch.setattr(anki_steps, "MAX_NOTES", 2)
    run_id = run_of(talk, kind="anki_export", parameters={"deck_id": deck_id})
    talk.world.run()
    run = talk("GET", f"/api/v1/runs/{run_id}").body
    assert (run["state"], run["error"]["code"], run["export_url"]) == ("failed", "deck_too_large", None)


def test_a_package_comes_in_as_a_deck_and_again_after_edits(talk: Talk, tmp_path: Path) -> None:
    ids = make_exercises(talk, 2)
    _, package = export(talk, deck_of(talk, *ids))
    talk.be("bob")
    for _ in range(2):
        run = take(talk, package)
        assert (run["state"], run["counts"]["done"], run["counts"]["failed"]) == ("succeeded", 2, 0), run
    (deck,) = talk("GET", "/api/v1/decks").body["data"]
    assert (deck["name"], deck["exercise_count"]) == ("Chains", 2)
    listed = talk("GET", f"/api/v1/decks/{deck['id']}/exercises").body["data"]
    assert [each["metadata"]["question"] for each in listed] == ["Question 1", "Question 2"]
    assert not {each["exercise_id"] for each in listed} & set(ids), "bob's own, whatever alice's are called"
    assert not any(each["metadata"]["stale"] for each in listed)
    answer = {"exercise_id": listed[0]["exercise_id"], "student_id": "s", "response_text": "Answer 1"}
    graded = talk("POST", "/api/exercise/evaluate", answer).body["evaluation"]
    assert graded["understanding_score"] > 0.5
    wrong = talk("POST", "/api/exercise/evaluate", {**answer, "response_text": "nothing of it"}).body
    help_ = talk("POST", "/api/exercise/remediate", {"evaluation_id": wrong["evaluation"]["evaluation_id"]})
    assert help_.status == 200 and "Answer 1" in help_.body["remediation"]["content"]
    with zipfile.ZipFile(io.BytesIO(package)) as archive:
        archive.extract("collection.anki2", tmp_path)
    connection = sqlite3.connect(tmp_path / "collection.anki2")
    connection.execute("UPDATE notes SET flds = replace(flds, 'Question 1', 'Edited in Anki')")
    connection.execute(
        "UPDATE notes SET flds = '<img src=a>' || char(31) || 'b' WHERE flds LIKE 'Question 2%'"
    )
    connection.commit()
    connection.close()
    edited = io.BytesIO()
    with zipfile.ZipFile(edited, "w") as archive:
        archive.write(tmp_path / "collection.anki2", "collection.anki2")
    run = take(talk, edited.getvalue(), deck_name="chains")
    assert (run["state"], run["counts"]["done"], run["counts"]["failed"]) == ("partially_succeeded", 1, 1)
    (refused,) = talk("GET", f"/api/v1/runs/{run['id']}/items?outcome=failed").body["data"]
    assert refused["code"] == "no_text"
    listed = talk("GET", f"/api/v1/decks/{deck['id']}/exercises").body["data"]
    assert [each["metadata"]["question"] for each in listed] == ["Edited in Anki", "Question 2"]


def test_ones_own_deck_that_comes_back_is_the_same_exercises(talk: Talk) -> None:
    ids = make_exercises(talk, 2)
    _, package = export(talk, deck_of(talk, *ids))
    assert take(talk, package, deck_name="Back again")["state"] == "succeeded"
    back = next(each for each in talk("GET", "/api/v1/decks").body["data"] if each["name"] == "Back again")
    listed = talk("GET", f"/api/v1/decks/{back['id']}/exercises").body["data"]
    assert [each["exercise_id"] for each in listed] == ids
    assert talk.world.sql("SELECT count(*) FROM exercises") == [(2,)]


def test_what_is_no_package_makes_the_run_fail_with_a_sentence(talk: Talk) -> None:
    run = take(talk, b"PK\x03\x04 no zip")
    assert (run["state"], run["error"]["code"]) == ("failed", "bad_package")
    assert talk("GET", "/api/v1/decks").body["data"] == []
