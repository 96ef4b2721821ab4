"""Docstrings begin with what the thing does or is, not with a question word."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
FOLDERS = ("chalicelib", "cli", "local", "deploy", "bench", "docs", "tests")
OPENINGS = "Which|What|Whatever|Of|That|None|Answers (?!of)|Whether|How|Who|Whom|Whose|Where|When|It|There"
RIDDLE = re.compile(rf'^ *"""(?:{OPENINGS})\b.*', re.M)


def test_no_docstring_begins_with_a_question_or_without_a_verb() -> None:
    paths = [ROOT / "app.py", *(path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py"))]
    found = {path: RIDDLE.findall(path.read_text(encoding="utf-8")) for path in paths}
    assert len(paths) > 200
    assert {str(path.relative_to(ROOT)): lines for path, lines in found.items() if lines} == {}
