"""Takes each protection out and sees that a test notices: `python -m tests.mutants [part of a name]`, `make mutants`.

What is promised, how it is kept, which test shows it and which change it notices stand in promises.toml;
docs/reliability.md is written from that (`python -m tests.mutants --write`), and a test holds the two together.
"""

import argparse
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

PROJECT = Path(__file__).parent.parent
PROMISES = Path(__file__).with_name("promises.toml")
DOCUMENT = PROJECT / "docs" / "reliability.md"
TIMEOUT_S = 400
FAILED = re.compile(r"^FAILED (\S+)", re.MULTILINE)


@dataclass(frozen=True, kw_only=True, slots=True)
class Mutant:
    """A change of one place in one file; `tests` are run and one of them is to fail."""

    without: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Promise:
    area: str
    promise: str
    mechanism: str
    tests: tuple[str, ...]
    mutants: tuple[Mutant, ...]


def promises() -> list[Promise]:
    found = []
    for given in tomllib.loads(PROMISES.read_text(encoding="utf-8"))["promise"]:
        tests, mutants = tuple(given.pop("tests")), given.pop("mutant", [])
        made = tuple(Mutant(**{"new": "", "tests": tests, **mutant}) for mutant in mutants)
        found.append(Promise(**given, tests=tests, mutants=made))
    return found


def mutated(mutant: Mutant, text: str) -> str:
    """Raises ValueError unless the place is there exactly once."""
    if text.count(mutant.old) != 1:
        raise ValueError(
            f"{mutant.file} has {text.count(mutant.old)} times what is to be taken out: {mutant.without}"
        )
    return text.replace(mutant.old, mutant.new)


def document() -> str:
    lines = [
        "# What is promised, and how it is known",
        "",
        "Each promise has a mechanism and a test. The right column says what was taken out of the code to see the"
        " test fail: `make mutants` does it again. Written by `python -m tests.mutants --write` from"
        " `tests/promises.toml`.",
    ]
    area = None
    for promise in promises():
        if promise.area != area:
            area = promise.area
            lines += [
                "",
                f"## {area}",
                "",
                "| promise | mechanism | test | it fails without |",
                "|---|---|---|---|",
            ]
        tests = "<br>".join(f"`{test.removeprefix('tests/')}`" for test in promise.tests)
        without = "<br>".join(mutant.without for mutant in promise.mutants)
        lines.append(f"| {promise.promise} | {promise.mechanism} | {tests} | {without} |")
    return "\n".join(lines) + "\n"


def run(mutants: list[Mutant]) -> int:
    """Try each in a copy of the project; answers how many no test noticed."""
    survived = 0
    with TemporaryDirectory(prefix="collections-mutants-") as folder:
        copy = Path(folder) / "project"
        copy_project(copy)
        named = tuple(dict.fromkeys(test for mutant in mutants for test in mutant.tests))
        if failed := noticed_by(copy, named, timeout_s=TIMEOUT_S * 10):
            raise RuntimeError(f"{failed} fails with nothing taken out, and would notice anything")
        for number, mutant in enumerate(mutants, 1):
            file = copy / mutant.file
            text = file.read_text(encoding="utf-8")
            file.write_text(mutated(mutant, text), encoding="utf-8")
            noticed = noticed_by(copy, mutant.tests)
            file.write_text(text, encoding="utf-8")
            survived += noticed is None
            print(f"{number}/{len(mutants)}  {mutant.without}: {noticed or 'NO TEST NOTICED'}", flush=True)
    print(f"{len(mutants) - survived} of {len(mutants)} noticed")
    return survived


def copy_project(copy: Path) -> None:
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard"],
        cwd=PROJECT,
        check=True,
        capture_output=True,
        text=True,
    )
    for name in listed.stdout.splitlines():
        if (PROJECT / name).exists():
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(PROJECT / name, copy / name)


def noticed_by(project: Path, tests: tuple[str, ...], *, timeout_s: float = TIMEOUT_S) -> str | None:
    """The test that failed, None when all passed. One that hangs has noticed as well."""
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "--tb=no", *tests]
    try:
        done = subprocess.run(
            command, cwd=project, capture_output=True, text=True, timeout=timeout_s, check=False
        )
    except subprocess.TimeoutExpired:
        return f"{tests[0]} hung"
    if done.returncode == 0:
        return None
    failed = FAILED.search(done.stdout)
    if done.returncode != 1 or failed is None:
        raise RuntimeError(f"the tests did not run:\n{done.stdout[-3000:]}{done.stderr[-3000:]}")
    return failed[1]


def chosen(part: str) -> Iterator[Mutant]:
    for promise in promises():
        for mutant in promise.mutants:
            if part in f"{promise.area} {promise.promise} {mutant.without} {mutant.file}":
                yield mutant


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.mutants", description=__doc__)
    parser.add_argument(
        "part", nargs="?", default="", help="of an area, a promise, a mutant or a file's name"
    )
    parser.add_argument("--write", action="store_true", help="write docs/reliability.md and try nothing")
    given = parser.parse_args()
    if given.write:
        DOCUMENT.write_text(document(), encoding="utf-8")
        return 0
    mutants = list(chosen(given.part))
    if not mutants:
        parser.error(f"there is no mutant of {given.part}")
    return 1 if run(mutants) else 0


if __name__ == "__main__":
    sys.exit(main())
