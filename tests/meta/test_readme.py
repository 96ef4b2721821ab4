"""README and docs: what they link to and name is there."""

import re
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[2]
PAGES = [PROJECT / "README.md", PROJECT / "samples" / "README.md", *sorted((PROJECT / "docs").glob("*.md"))]
LINK = re.compile(r'\]\(([^)\s]+)\)|src="([^"]+)"')
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
    gone = [
        name
        for name in named
        if not any((root / name).exists() for root in (PROJECT, PROJECT / "chalicelib"))
    ]
    assert gone == []


def test_every_page_of_the_documentation_is_in_the_readme() -> None:
    linked = {link for link, _ in LINK.findall((PROJECT / "README.md").read_text())}
    assert {f"docs/{page.name}" for page in (PROJECT / "docs").glob("*.md")} <= linked


def test_the_readme_is_short() -> None:
    assert len((PROJECT / "README.md").read_text().splitlines()) <= 175
