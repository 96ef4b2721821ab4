"""Compares two runs of `make bench`: the last one with the one before, or two files. Says what moved by over a fifth.

python -m bench.compare [BEFORE AFTER]

Exits with 1 if something is worse by more than a fifth. Figures in milliseconds are of one machine's speed already; on
a busy machine they still move more than ratios and counts.
"""

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bench.__main__ import RUNS

MOVED = 0.2


def moves(before: dict[str, Any], after: dict[str, Any]) -> Iterator[tuple[str, float, float, bool]]:
    """Yield (name, value before, value after, whether it is worse) of each figure that moved by more than a fifth."""
    known = {figure["name"]: figure for figure in before["figures"]}
    for figure in after["figures"]:
        name, new = figure["name"], figure["value"]
        if name in known and abs(new - known[name]["value"]) > MOVED * abs(known[name]["value"]):
            old = known[name]["value"]
            yield name, old, new, (new < old) == figure["is_least"]


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.compare", description=__doc__)
    parser.add_argument("runs", nargs="*", type=Path, metavar="RUN", help="two files of bench/runs")
    paths = parser.parse_args().runs or sorted(RUNS.glob("*.json"))[-2:]
    if len(paths) != 2:
        parser.error("two runs are needed; make bench stores one more")
    before, after = (json.loads(path.read_text()) for path in paths)
    print(f"{paths[0].name} ({before['commit']}) -> {paths[1].name} ({after['commit']})")
    moved = list(moves(before, after))
    for name, old, new, is_worse in moved:
        change = f"{new / old - 1:+.0%}" if old else "from 0"
        print(f"{'worse ' if is_worse else 'better'} {name:24} {old:g} -> {new:g}  {change}")
    worse = [name for name, *_, is_worse in moved if is_worse]
    print(f"moved by more than {MOVED:.0%}: {len(moved)} of {len(after['figures'])}, worse: {len(worse)}")
    return 1 if worse else 0


if __name__ == "__main__":
    sys.exit(main())
