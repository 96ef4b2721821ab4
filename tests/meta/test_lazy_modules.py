"""Modules that run their code at first use, and patterns that are compiled at first use."""

import re
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import chalicelib
from chalicelib import ops
from chalicelib.patterns import pattern


@pytest.fixture
def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A function that writes the code of chalicelib.ops.tried and imports it."""
    monkeypatch.setattr(ops, "__path__", [*ops.__path__])

    def imported(code: str) -> ModuleType:
        (tmp_path / "tried.py").write_text(code)
        ops.__path__.insert(0, str(tmp_path))
        from chalicelib.ops import tried  # type: ignore[attr-defined]

        return tried

    yield imported
    sys.modules.pop("chalicelib.ops.tried", None)
    vars(ops).pop("tried", None)


def test_a_module_runs_its_code_once_at_its_first_use(make: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    runs: list[str] = []
    monkeypatch.setattr(sys, "runs_of_tried", runs, raising=False)
    tried = make("import sys\nsys.runs_of_tried.append(__name__)\nimport chalicelib.ops.tried as me\nONE = 1")
    from chalicelib.ops import tried as again  # type: ignore[attr-defined]

    assert (tried is again, tried.__name__, runs) == (True, "chalicelib.ops.tried", [])
    assert (tried.ONE, again.me is tried, type(tried)) == (1, True, ModuleType)
    assert runs == ["chalicelib.ops.tried"]


def test_a_second_thread_waits_until_the_code_has_run(make: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    running, go_on = threading.Event(), threading.Event()
    monkeypatch.setattr(sys, "of_tried", (running, go_on), raising=False)
    tried = make("import sys\nsys.of_tried[0].set()\nassert sys.of_tried[1].wait(60)\nLAST = 1")
    seen: list[int] = []
    threads = [threading.Thread(target=lambda: seen.append(tried.LAST)) for _ in range(2)]
    threads[0].start()
    assert running.wait(60)
    threads[1].start()
    threads[1].join(0.05)  # without a lock it would have failed by now
    go_on.set()
    for thread in threads:
        thread.join(60)
    assert seen == [1, 1]


def test_code_that_fails_runs_again_at_the_next_use(make: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "tried_may", [], raising=False)
    tried = make("import sys\nif not sys.tried_may:\n    raise OSError('not yet')\nONE = 1")
    with pytest.raises(OSError, match="not yet"):
        _ = tried.ONE
    sys.tried_may.append(1)  # type: ignore[attr-defined]
    assert tried.ONE == 1


def test_a_module_that_does_not_exist_is_missed_at_its_import() -> None:
    with pytest.raises(ImportError):
        from chalicelib.ops.library import browsing  # type: ignore[attr-defined]  # noqa: F401
    assert all(name.startswith("chalicelib.") for name in chalicelib.LAZY)


def test_a_pattern_does_what_a_compiled_one_does() -> None:
    late, compiled = (
        pattern(r"(?P<word>[a-z]+)", re.IGNORECASE),
        re.compile(r"(?P<word>[a-z]+)", re.IGNORECASE),
    )
    for name, arguments in (("findall", ("Ab 1 c",)), ("sub", ("-", "Ab 1 c")), ("split", ("Ab 1 c",))):
        assert getattr(late, name)(*arguments) == getattr(compiled, name)(*arguments)
    assert (late.search("1 Ab") or [""])[0] == "Ab"
    assert late.groupindex == {"word": 1}
    assert pattern(rb"a+").match(b"aab")
    with pytest.raises(re.error):
        pattern("(").search("")
