"""Anki itself opens our packages, and we read those that it writes. Its environment is build/anki."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from chalicelib.model.practice.anki import Note
from chalicelib.ops.practice.anki_file import write_package
from chalicelib.providers.practice.apkg_reader import read_package
from deploy.policies import ROOT
from tests.support.world import jpeg

ANKI = "anki==26.9.3"
LINK = "https://app.example.org/#/exercises/1"


def python_with_anki() -> str:
    """Return a Python that has Anki. Without a wheel for this system, or an index, skip; where CI is set, fail."""
    home = ROOT / "build" / "anki"
    if not (home / ANKI).exists():
        subprocess.run([sys.executable, "-m", "venv", "--clear", home], check=True)
        pip = [str(home / "bin" / "python"), "-m", "pip", "install", "--quiet", "--only-binary=:all:", ANKI]
        if subprocess.run(pip, check=False).returncode:
            (pytest.fail if os.environ.get("CI") else pytest.skip)(f"pip does not install {ANKI} here")
        (home / ANKI).touch()
    return str(home / "bin" / "python")


def written(path: Path, *, text: str, at_s: float) -> str:
    picture = path.with_name("collections-1.jpg")
    picture.write_bytes(jpeg())
    fields = ("A", '<img src="collections-1.jpg">', f'<a href="{LINK}">chain.pdf, page 2</a>')
    notes = [
        Note(guid="0c6e0a4e-0000-4000-8000-000000000001", is_cloze=False, fields=(text, *fields)),
        Note(
            guid="0c6e0a4e-0000-4000-8000-000000000002", is_cloze=True, fields=("It is {{c1::A}}.", *fields)
        ),
    ]
    write_package(path, deck_number=2**30 + 7, name="Chains", notes=notes, pictures=[picture], written_s=at_s)
    return str(path)


@pytest.mark.slow
def test_anki_shows_cards_media_and_links_and_an_edit_makes_no_duplicate(tmp_path: Path) -> None:
    packages = [
        written(tmp_path / "1.apkg", text="Asked &lt;so&gt;", at_s=1_790_000_000.0),
        written(tmp_path / "2.apkg", text="Asked otherwise", at_s=1_790_000_060.0),
    ]
    command = [python_with_anki(), str(Path(__file__).with_name("anki_opens.py"))]
    opened: list[dict[str, Any]] = []
    for given in (packages[:1], packages):
        ran = subprocess.run([*command, *given], capture_output=True, text=True, timeout=120, check=False)
        assert ran.returncode == 0, ran.stderr
        opened.append(json.loads(ran.stdout))
    once, twice = opened
    assert (once["notes"], once["imports"][0]["new"]) == (2, 2)
    assert (once["missing_media"], once["media"]) == ([], ["collections-1.jpg"])
    (asked, told), (gap, _) = once["cards"].values()
    assert "Asked &lt;so&gt;" in asked and "[...]" in gap
    assert f'href="{LINK}"' in told and 'src="collections-1.jpg"' in told
    assert twice["notes"] == 2 and len(twice["cards"]) == 2
    assert (twice["imports"][1]["new"], twice["imports"][1]["conflicting"]) == (0, 0)
    assert "Asked otherwise" in twice["cards"]["0c6e0a4e-0000-4000-8000-000000000001"][0]
    for name in ("new", "old"):
        read = read_package(f"{packages[0]}.{name}")
        assert [(card.question, card.answer) for card in read.cards] == [
            ("Asked otherwise", "A"),
            ("It is ____.", "A"),
        ]
