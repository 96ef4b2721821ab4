"""README and docs: what they link to and name is there."""

import re
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[2]
PAGES = [PROJECT / "README.md", PROJECT / "samples" / "README.md", *sorted((PROJECT / "docs").glob("*.md"))]
LINK = re.compile(r'\]\(([^)\s]+)\)|src="([^"]+)"')
NAMED_DEFINITION = re.compile(r"`((?:[\w.-]+/)+[\w.-]+\.(?:py|sql)): (\w+)`")
NAMED_FILE = re.compile(r"`((?:[\w.-]+/)+[\w.-]+\.(?:css|html|js|json|md|py|sql|toml))\b")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(PROJECT)))
def test_links_lead_somewhere(page: Path) -> None:
    links = {(link or picture).partition("#")[0] for link, picture in LINK.findall(page.read_text())}
    dead = [link for link in links if "://" not in link and not (page.parent / link).exists()]
    assert dead == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(PROJECT)))
def test_files_that_are_named_exist(page: Path) -> None:
    """Files of the app are named from `chalicelib` on."""
    named = set(NAMED_FILE.findall(page.read_text())) - {"application/json"}
    assert [name for name in named if place_of(name) is None] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(PROJECT)))
def test_definitions_that_are_named_exist(page: Path) -> None:
    gone = [
        (file, name)
        for file, name in NAMED_DEFINITION.findall(page.read_text())
        if not re.search(rf"^(?:-- :name |def |class )?{name}\b", place_of(file).read_text(), re.MULTILINE)
    ]
    assert gone == []


def place_of(name: str) -> Path | None:
    places = (PROJECT / name, PROJECT / "chalicelib" / name)
    return next((place for place in places if place.exists()), None)


def test_every_page_of_the_documentation_is_in_the_readme() -> None:
    linked = {link for link, _ in LINK.findall((PROJECT / "README.md").read_text())}
    assert {f"docs/{page.name}" for page in (PROJECT / "docs").glob("*.md")} <= linked


def test_the_readme_is_short() -> None:
    assert len((PROJECT / "README.md").read_text().splitlines()) <= 180


def test_the_targets_that_the_documentation_lists_are_the_makefiles() -> None:
    targets = set(re.findall(r"^([a-z-]+):.*## ", (PROJECT / "Makefile").read_text(), re.M))
    table = (PROJECT / "docs" / "developing.md").read_text().partition("| `make …` |")[2].partition("\n\n")[0]
    assert set(re.findall(r"^\| `([a-z-]+)", table, re.M)) == targets
