"""Runs the benchmarks that need no data from outside, stores their figures, and says what got worse.

A run is a JSON file in bench/runs: the machine, the commit, and each figure with its goal; a picture is beside it.
`make bench-compare` compares the last two. The goals are in bench/goals.toml. Exits with 1 if a figure is worse than is
stated there, or if a benchmark did not end. A goal that is openly missed is named, and does not fail the run.

The quality of search needs a test set: python -m bench.retrieval FOLDER
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench import figures
from bench.plot import plot

PROJECT = Path(__file__).resolve().parent.parent
RUNS = PROJECT / "bench" / "runs"
SAMPLES = str(PROJECT / "samples")
MEASUREMENTS = [
    ["bench.startup"],
    ["bench.request"],
    ["bench.api"],
    ["bench.gateway"],
    ["bench.search"],
    ["bench.large_owner"],
    ["bench.ingest", SAMPLES],
    ["bench.pipeline"],
    ["bench.question"],
    ["bench.jobs"],
    ["bench.chunk"],
    ["bench.peers"],
    ["bench.load", "--seconds", "60"],
]


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("only", nargs="*", help="names of benchmarks, as startup; all if there is none")
    only = parser.parse_args().only
    chosen = [each for each in MEASUREMENTS if not only or each[0].removeprefix("bench.") in only]
    run = measure(chosen)
    path = store(run)
    print(f"\nstored: {path.relative_to(PROJECT)}, and its picture beside it")
    line, is_good = verdict(run)
    print(line)
    return 0 if is_good else 1


def measure(measurements: Sequence[Sequence[str]]) -> dict[str, Any]:
    """Run the benchmarks one after the other; return what is stored of it."""
    run: dict[str, Any] = {"at": datetime.now(UTC).isoformat(timespec="seconds"), **_machine()}
    found, ended, seconds = [], [], {}
    for module, *arguments in measurements:
        print(f"\n{module}", flush=True)
        began = time.monotonic()
        lines, is_good = _run([module, *arguments])
        seconds[module] = round(time.monotonic() - began, 1)
        found += lines
        if not lines and not is_good:
            ended.append(module)
    return run | {"seconds": seconds, "figures": found, "not_ended": ended}


def _run(command: Sequence[str]) -> tuple[list[dict[str, Any]], bool]:
    """Run a benchmark in a process of its own, as imports and caches would speed up the next.

    Return its figures, and whether it exited with 0.
    """
    with tempfile.TemporaryDirectory() as folder:
        record, errors = Path(folder) / "figures", Path(folder) / "errors"
        with errors.open("w") as written:
            ran = subprocess.run(
                [sys.executable, "-m", *command],
                check=False,
                stderr=written,
                env={**os.environ, figures.RECORD: str(record)},
            )
        if ran.returncode and not record.exists():
            print("it ended without figures: " + "".join(errors.read_text().splitlines()[-1:]))
        lines = record.read_text().splitlines() if record.exists() else []
        return [json.loads(line) for line in lines], not ran.returncode


def _machine() -> dict[str, Any]:
    git = subprocess.run(
        ["git", "describe", "--always", "--dirty"], cwd=PROJECT, capture_output=True, text=True, check=False
    )
    return {
        "commit": git.stdout.strip() or "unknown",
        "machine": {
            "system": platform.platform(),
            "cores": os.cpu_count(),
            "load": round(os.getloadavg()[0], 1),
            "python": platform.python_version(),
            "loop_ms": round(figures.loop_ms(), 2),
        },
    }


def store(run: dict[str, Any]) -> Path:
    """Write a run and its picture; return the path of the first."""
    RUNS.mkdir(exist_ok=True)
    path = RUNS / f"{run['at'].replace(':', '').removesuffix('+0000')}.json"
    path.write_text(json.dumps(run, indent=1) + "\n")
    path.with_suffix(".svg").write_text(plot(run))
    return path


def verdict(run: dict[str, Any]) -> tuple[str, bool]:
    """Return the run's last line, and whether nothing is worse than stated."""
    by_state: dict[str, list[str]] = {"held": [], "missed": [], "worse": []}
    for figure in run["figures"]:
        by_state[figure["state"]].append(figure["name"])
    worse = by_state["worse"] + [f"{module} did not end" for module in run["not_ended"]]
    missed = f"{len(by_state['missed'])} openly missed"
    if by_state["missed"]:
        missed += f" ({', '.join(by_state['missed'])}: bench/goals.toml says why)"
    line = f"goals: {len(by_state['held'])} held, {missed}, worse than stated: {', '.join(worse) or 'none'}"
    return line, not worse


if __name__ == "__main__":
    sys.exit(main())
