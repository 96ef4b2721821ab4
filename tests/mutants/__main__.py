"""Take protections out of a copy of the project, one by one, and see that a test notices: `make mutants`.

make mutants                        all of them
make mutants ONLY=text              those with this text in their area, promise, place or tests
make mutants SINCE=origin/main      those that a change concerns: their module, one of their tests' files, or
                                    their entry in promises.toml is not what it was then
make mutants SINCE=... MINUTES=30   begin none after 30 minutes, and name those that were not tried

python -m tests.mutants --write     write docs/internal/promises.md and try nothing
"""

import argparse
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic

from tests.mutants.promises import DOCUMENT, PROJECT, PROMISES, Mutant, document, read_promises

TIMEOUT_S = 600
FAILED = re.compile(
    r"^(?:FAILED|ERROR) (\S+?::\w+)", re.MULTILINE
)  # all cases of it: their names may have blanks


class NoVerdict(Exception):
    """The tests did not run, so that they say nothing of the mutant."""


def all_mutants(text: str | None = None) -> list[Mutant]:
    return [mutant for promise in read_promises(text) for mutant in promise.mutants]


def choose(part: str, since: str) -> list[Mutant]:
    """Return the mutants with this text in them, of those that the changes since the revision concern."""
    found = all_mutants()
    if since:
        base = _git("merge-base", since, "HEAD").strip()
        changed = set(_git("diff", "--name-only", base).splitlines())
        changed |= set(_git("ls-files", "--others", "--exclude-standard").splitlines())
        before = {_entry(mutant) for mutant in _mutants_at(base)}
        found = [each for each in found if _entry(each) not in before or changed & _files_of(each)]
    return [
        each for each in found if part in " ".join((each.promise.area, each.promise.promise, *_entry(each)))
    ]


def _entry(mutant: Mutant) -> tuple[str, ...]:
    return (mutant.text, *mutant.promise.tests)


def _files_of(mutant: Mutant) -> set[str]:
    return {mutant.file, *(test.partition("::")[0] for test in mutant.promise.tests)}


def _mutants_at(revision: str) -> list[Mutant]:
    """Those of an earlier promises.toml; none when it was written otherwise."""
    try:
        return all_mutants(_git("show", f"{revision}:{PROMISES.relative_to(PROJECT)}"))
    except (subprocess.CalledProcessError, ValueError):
        return []


def run(mutants: Sequence[Mutant], *, minutes: float) -> bool:
    """Try each; True when all that were tried were noticed."""
    stop_at = monotonic() + 60 * minutes
    bad: list[str] = []
    with TemporaryDirectory(prefix="collections-mutants-") as folder:
        project = Path(folder) / "project"
        copy_project(project)
        for number, mutant in enumerate(mutants, 1):
            if monotonic() > stop_at:
                print(
                    "\n".join(["not tried, the time is up:", *(each.text for each in mutants[number - 1 :])])
                )
                break
            verdict = try_out(project, mutant)
            if not verdict.startswith("noticed"):
                bad.append(f"{mutant.text}: {verdict}")
            print(f"{number}/{len(mutants)}  {mutant.text}: {verdict}", flush=True)
    print("\n".join([f"{len(bad)} not noticed, or without a verdict", *bad]))
    return not bad


def copy_project(copy: Path) -> None:
    for name in _git("ls-files", "-co", "--exclude-standard").splitlines():
        if (PROJECT / name).exists():
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(PROJECT / name, copy / name)


def try_out(project: Path, mutant: Mutant) -> str:
    """Return "noticed by <test>", "NOT NOTICED", or "ERROR" and why there is no verdict."""
    file = project / mutant.file
    source = file.read_text(encoding="utf-8")
    try:
        file.write_text(mutant.apply(source), encoding="utf-8")
        failed = first_failure(project, mutant.promise.tests)
        if failed is None:
            return "NOT NOTICED"
        file.write_text(source, encoding="utf-8")
        if first_failure(project, [failed]) is not None:
            return f"ERROR: {failed} fails with nothing taken out as well"
        return f"noticed by {failed}"
    except (NoVerdict, ValueError) as error:
        return f"ERROR: {error}"
    finally:
        file.write_text(source, encoding="utf-8")


def first_failure(project: Path, tests: Sequence[str]) -> str | None:
    """Return the first test that fails, None when all pass; when they hang, the first of them. Raise NoVerdict."""
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "--tb=no", *tests]
    try:
        done = subprocess.run(
            command, cwd=project, capture_output=True, text=True, timeout=TIMEOUT_S, check=False
        )
    except subprocess.TimeoutExpired:
        return tests[0]
    failed = FAILED.search(done.stdout)
    if done.returncode not in (0, 1) or (done.returncode == 1 and failed is None):
        raise NoVerdict(f"the tests did not run:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    return failed[1] if failed else None


def _git(*arguments: str) -> str:
    return subprocess.run(["git", *arguments], cwd=PROJECT, check=True, capture_output=True, text=True).stdout


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.mutants")
    parser.add_argument("part", nargs="?", default="", help="of an area, a promise, a place or a test's name")
    parser.add_argument("--since", default="", help="a revision: only what has changed since concerns")
    parser.add_argument("--minutes", type=float, default=24 * 60, help="begin none after so many")
    parser.add_argument("--write", action="store_true", help="write docs/internal/promises.md, try nothing")
    given = parser.parse_args()
    if given.write:
        DOCUMENT.parent.mkdir(exist_ok=True)
        DOCUMENT.write_text(document(), encoding="utf-8")
        return 0
    mutants = choose(given.part, given.since)
    if not mutants and given.part:
        parser.error(f"there is no mutant of {given.part}")
    return 0 if run(mutants, minutes=given.minutes) else 1


if __name__ == "__main__":
    sys.exit(main())
